# SPDX-License-Identifier: Apache-2.0
"""tools/test [TIER...]: builds and runs the tests; without a tier all of them.

  build        gcc, warnings are errors (always done)
  layering     the build's and the tree's own rules, where tests/layering holds any
  unit         seconds, no root, no hugepages
  sim          virtual time, by seed
  fuzz         every corpus replayed through its decoder
  lab          the lab's own python: compiles, and its unit tests
  asan         unit, fuzz and a tenth of sim once more under AddressSanitizer and UBSan
  clang        the whole tree compiled by clang, warnings are errors
  integration  real daemons in network namespaces (root)

The whole logs are in BUILD/test-logs.  The last line is "N passed, N failed", and ", N skipped" when any was."""
import argparse
import dataclasses
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

from lab import LabError, signals
from lab.build import SOURCE, Build

TIERS = ("build", "layering", "unit", "sim", "fuzz", "lab", "asan", "clang", "integration")
MESON_SUITES = ("layering", "unit", "sim", "fuzz")
SANITIZED_SUITES = ("unit", "sim", "fuzz")
TIMEOUT_S = 1500


@dataclasses.dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def text(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


class Run:
    def __init__(self, build):
        self.build = build
        self.sanitized = Build(f"{build.folder}-asan")
        self.clang = Build(f"{build.folder}-clang")
        self.logs = build.folder / "test-logs"

    # Each tier returns a Tally and prints what failed or was skipped.

    def tier_build(self):
        return self._compiled(self.build, (), ("ccache gcc", "ccache g++"))

    def tier_clang(self):
        # Only compiled: neither optimised nor with symbols, which halves the time.
        return self._compiled(self.clang, ("--buildtype=plain",), ("ccache clang", "ccache clang++"))

    def tier_layering(self):
        return self._meson(self.build, "layering")

    def tier_unit(self):
        return self._meson(self.build, "unit")

    def tier_sim(self):
        return self._meson(self.build, "sim")

    def tier_fuzz(self):
        return self._meson(self.build, "fuzz")

    def tier_asan(self):
        # Instrumented code makes gcc warn of what is not there; the plain builds are the ones whose warnings count.
        tally = self._compiled(self.sanitized, ("-Dwerror=false", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                                                "-Doptimization=1", "-Dcpp_args=-g1"),
                               ("ccache gcc", "ccache g++"))
        if tally.failed == 0:
            for suite in SANITIZED_SUITES:
                tally.add(self._meson(self.sanitized, suite, "--no-suite", "goodput", DWCP_SIM_COUNT="400"))
        return tally

    def tier_lab(self):
        return self._script("lab", [sys.executable, "-m", "unittest", "discover", "-s", SOURCE / "tests/unit/lab"],
                            count=_count_unittest)

    def tier_integration(self):
        result = self.logs / "integration.json"
        return self._script("integration", [sys.executable, SOURCE / "tests/integration/run.py", "--build",
                                            self.build.folder, "--json", result, "--keep-logs",
                                            self.logs / "integration"], count=_count_integration)

    def _compiled(self, build, options, compiler):
        try:
            build.setup(*options, compiler=compiler)
            build.compile()
        except LabError as error:
            print(f"  {error}")
            return Tally(failed=1)
        return Tally(passed=1)

    def _meson(self, build, suite, *options, **more_environment):
        """Counts single gtest cases: meson gathers their XML."""
        environment = dict(os.environ, **more_environment, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                           ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1")
        argv = ["meson", "test", "-C", build.folder, "--no-rebuild", "--suite", suite, *options, "--timeout-multiplier", "3",
                "--logbase", f"test-{suite}"]
        log_path = self.logs / f"{build.folder.name}-{suite}.log"
        code = self._logged(argv, log_path, environment)
        report = build.folder / "meson-logs" / f"test-{suite}.junit.xml"
        if "No suitable tests" in log_path.read_text(errors="replace") or not report.exists():
            if code == 0 or "No suitable tests" in log_path.read_text(errors="replace"):
                print(f"  SKIPPED: there are no {suite} tests")
                return Tally(skipped=1)
            print(f"  meson test failed, see {log_path}")
            return Tally(failed=1)
        tally = _count_junit(report)
        report.unlink()  # so that a stale one is never counted
        if code != 0 and tally.failed == 0:
            print(f"  meson test: exit code {code}, see {log_path}")
            tally.failed += 1
        return tally

    def _script(self, name, argv, count):
        log_path = self.logs / f"{name}.log"
        code = self._logged(argv, log_path, os.environ)
        tally = count(log_path.read_text(errors="replace"))
        if code != 0 and tally.failed == 0:
            print(f"  {name}: exit code {code}, see {log_path}")
            tally.failed += 1
        return tally

    def _logged(self, argv, log_path, environment):
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(log_path, "wb") as log:
            child = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, cwd=SOURCE,
                                     stderr=subprocess.STDOUT, env=environment)
            try:
                return child.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                print(f"  took longer than {TIMEOUT_S} s")
                return 1
            finally:
                if child.poll() is None:  # interrupted or too slow: it gets to clean up
                    child.terminate()
                    child.wait(30)


def _count_junit(path):
    tally = Tally()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')} {case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failed += 1
            print(f"  FAILED: {name}")
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            tally.skipped += 1
            print(f"  SKIPPED: {name}")
        else:
            tally.passed += 1
    return tally


def _count_unittest(text):
    """unittest ends with "Ran N tests" and "OK" or "FAILED (failures=N, errors=N)"."""
    ran = re.search(r"^Ran (\d+) tests?", text, re.MULTILINE)
    if not ran:
        return Tally()
    bad = sum(int(count) for count in re.findall(r"(?:failures|errors)=(\d+)", text))
    skipped = sum(int(count) for count in re.findall(r"skipped=(\d+)", text))
    for name in re.findall(r"^(?:FAIL|ERROR): (.*)$", text, re.MULTILINE):
        print(f"  FAILED: {name}")
    return Tally(int(ran.group(1)) - bad - skipped, bad, skipped)


def _count_integration(text):
    tally = Tally()
    for verdict, name in re.findall(r"^\[\s*(passed|failed|skipped)\s*\] (.*)$", text, re.MULTILINE):
        setattr(tally, verdict, getattr(tally, verdict) + 1)
        if verdict != "passed":
            print(f"  {verdict.upper()}: {name}")
    return tally


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=", ".join(TIERS))
    chosen = parser.parse_args().tiers or TIERS
    unknown = [name for name in chosen if name not in TIERS]
    if unknown:
        parser.error(f"no tier {unknown[0]}; there are {', '.join(TIERS)}")
    signals.install()
    run = Run(Build())
    total = Tally()
    try:
        for name in TIERS:
            if name not in chosen and name != "build":
                continue
            print(f"{name} …", flush=True)
            begun_s = time.monotonic()
            tally = getattr(run, f"tier_{name}")()
            print(f"  {tally.text()} ({time.monotonic() - begun_s:.0f} s)", flush=True)
            total.add(tally)
            if name == "build" and tally.failed:
                break
    except signals.Interrupted as interrupted:
        print(f"interrupted ({interrupted})", file=sys.stderr)
        return interrupted.exit_code
    if total.failed or total.skipped:
        print(f"logs: {run.logs}")
    print(total.text(), flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
