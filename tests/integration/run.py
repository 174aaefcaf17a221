#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the integration tests: real daemons in network namespaces, as root.

    run.py [--build DIR] [--list] [--json FILE] [--keep-logs DIR] [PATTERN...]

Finds functions test_* in test_*.py and calls each with a fresh Lab; what a test prints is shown only when it fails.
Scripts *_test.py are run as they are and count one for each "ok" or "FAIL" line.  Without root everything is skipped,
loudly.  Exit code 0: all passed or were skipped."""
import argparse
import contextlib
import fnmatch
import importlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tools")]
sys.dont_write_bytecode = True

from lab import signals  # noqa: E402
from lab.build import Build  # noqa: E402
from labtest import Lab, Skip  # noqa: E402


def discover(patterns):
    """(name, callable taking a Lab) for each test, in file order."""
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for name, function in vars(module).items():
            full = f"{path.stem.removeprefix('test_')}__{name.removeprefix('test_')}"
            if name.startswith("test_") and callable(function) and _wanted(full, patterns):
                yield full, function


def _wanted(name, patterns):
    return not patterns or any(fnmatch.fnmatch(name, f"*{pattern}*") for pattern in patterns)


def run_one(name, function, build, keep):
    """Returns (verdict, reason)."""
    said = io.StringIO()
    try:
        with Lab(build, keep / name if keep else None) as lab, contextlib.redirect_stdout(said):
            function(lab)
    except Skip as skip:
        return "skipped", str(skip)
    except signals.Interrupted:
        raise
    except Exception:  # a test may fail in any way
        return "failed", said.getvalue() + traceback.format_exc(limit=-3)
    return "passed", ""


def run_script(path, build):
    """One verdict a line of its output; a script that dies is a failure of its own."""
    done = subprocess.run([sys.executable, path, "--build", build.folder], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600)
    results = []
    for verdict, what in re.findall(r"^(ok|FAIL)\s+(.*)$", done.stdout, re.MULTILINE):
        results.append((f"{path.stem}__{what.split(':')[0].strip()}", "passed" if verdict == "ok" else "failed",
                        "" if verdict == "ok" else what))
    if not any(result[1] == "failed" for result in results) and done.returncode not in (0, 77):
        results.append((path.stem, "failed", f"exit code {done.returncode}\n{done.stdout[-2000:]}"))
    if done.returncode == 77:
        results.append((path.stem, "skipped", "it says so (exit code 77)"))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", help="build directory (default: DWCP_BUILD or build)")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--keep-logs", type=pathlib.Path)
    parser.add_argument("patterns", nargs="*")
    arguments = parser.parse_args()
    tests = list(discover(arguments.patterns))
    scripts = [path for path in sorted(HERE.glob("*_test.py")) if _wanted(path.stem, arguments.patterns)]
    if arguments.list:
        print("\n".join([name for name, _ in tests] + [path.stem for path in scripts]))
        return 0
    signals.install()
    build = Build(arguments.build)
    results = []

    def note(name, verdict, reason, took_s=None):
        results.append({"name": name, "verdict": verdict, "reason": reason})
        print(f"[{verdict:^8}] {name}" + (f" ({took_s:.1f} s)" if took_s is not None else ""), flush=True)
        if reason:
            print("    " + reason.strip().replace("\n", "\n    "), flush=True)

    try:
        for name, function in tests:
            begun_s = time.monotonic()
            verdict = ("skipped", "needs root")
            if os.geteuid() == 0:
                verdict = run_one(name, function, build, arguments.keep_logs)
            note(name, *verdict, time.monotonic() - begun_s)
        for path in scripts:
            for result in run_script(path, build):
                note(*result)
    except signals.Interrupted as interrupted:
        print(f"interrupted ({interrupted})", file=sys.stderr)
        return interrupted.exit_code
    counts = {verdict: sum(result["verdict"] == verdict for result in results)
              for verdict in ("passed", "failed", "skipped")}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
