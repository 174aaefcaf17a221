# SPDX-License-Identifier: Apache-2.0
"""tools/fuzz [--seconds N] [TARGET...]: runs the fuzz targets of tests/fuzz, without a name all of them.

Built by clang with libFuzzer, ASan and UBSan in BUILD-fuzz.  Each starts from its seeds, tests/fuzz/corpus/TARGET, and from
what earlier runs found, BUILD-fuzz/found/TARGET.  A line each: inputs run, inputs found that reach new code, result.  What
breaks one is left in BUILD-fuzz/findings, with the command that replays it; then the exit status is 1."""
import argparse
import re
import subprocess
import sys

from lab import LabError, signals
from lab.build import SOURCE, Build

CORPUS = SOURCE / "tests/fuzz/corpus"
INPUT_TIMEOUT_S = 25
MEMORY_MIB = 2048
# The rooms' libraries count their coverage too; undefined behaviour is a finding, not a line in a log.
OPTIONS = ("-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1", "-Ddebug=false",
           "-Dcpp_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined -gline-tables-only")


class Fuzzer:
    def __init__(self, build, name, seconds):
        self.name = name
        self.seconds = seconds
        self.program = build.folder / "tests/fuzz" / f"fuzz_{name}"
        self.found = build.folder / "found" / name
        self.findings = build.folder / "findings" / name
        self.log = self.findings / "log"

    def run(self):
        """Whether nothing broke."""
        for folder in (self.found, self.findings):
            folder.mkdir(parents=True, exist_ok=True)
        before = set(self.findings.iterdir())
        argv = ["nice", self.program, f"-max_total_time={self.seconds}", f"-timeout={INPUT_TIMEOUT_S}",
                f"-rss_limit_mb={MEMORY_MIB}", "-print_final_stats=1", f"-artifact_prefix={self.findings}/", self.found,
                CORPUS / self.name]
        with open(self.log, "wb") as log:
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                  cwd=self.findings).returncode
        runs, new = self._stat("number_of_executed_units"), self._stat("new_units_added")
        result = "nothing found" if code == 0 else f"BROKEN: {self._cause(code)}"
        print(f"{self.name:18} {runs:>10} runs {new:>6} new   {result}", flush=True)
        if code == 0:
            return True
        print(f"  the whole log is {self.log}")
        for path in sorted(set(self.findings.iterdir()) - before - {self.log}):
            print(f"  replay it with   {self.program} {path}\n  once mended, keep it as {CORPUS / self.name}/WHAT_IT_BROKE")
        return False

    def _text(self):
        return self.log.read_text(errors="replace")

    def _stat(self, name):
        found = re.findall(rf"^stat::{name}:\s+(\d+)", self._text(), re.MULTILINE)
        return found[-1] if found else "?"

    def _cause(self, code):
        said = re.search(r"^.*(?:does not hold|runtime error:|assertion failed).*$|^SUMMARY: (.*)$", self._text(), re.MULTILINE)
        return said.group(0).strip() if said else f"exit status {code}"


def main():
    names = sorted(path.name for path in CORPUS.iterdir())
    parser = argparse.ArgumentParser(prog="tools/fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target (default 60)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names))
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(names)
    if unknown or arguments.seconds < 1:
        parser.error(f"no such target: {' '.join(sorted(unknown))}; there are {' '.join(names)}" if unknown else "--seconds from 1")
    signals.install()
    build = Build(f"{Build().folder}-fuzz")
    chosen = arguments.targets or names
    try:
        build.setup(*OPTIONS, compiler=("ccache clang", "ccache clang++"))
        build.compile(tuple(f"tests/fuzz/fuzz_{name}" for name in chosen))
        broken = [name for name in chosen if not Fuzzer(build, name, arguments.seconds).run()]
    except LabError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    except signals.Interrupted as interrupted:
        print(f"fuzz: {interrupted}", file=sys.stderr)
        return interrupted.exit_code
    print(f"{len(chosen) - len(broken)} targets without a finding, {len(broken)} broken{': ' if broken else ''}{' '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
