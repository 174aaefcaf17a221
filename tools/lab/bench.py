# SPDX-License-Identifier: Apache-2.0
"""tools/bench NAME: runs lab/bench_NAME.py, and writes its result as JSON.

A bench module has add_arguments(parser) and run(arguments, build, reporter); its docstring is its help."""
import argparse
import importlib
import json
import os
import pathlib
import platform
import sys

from lab import LabError, signals
from lab.build import Build
from lab.report import Reporter


def main():
    names = sorted(path.stem.removeprefix("bench_") for path in pathlib.Path(__file__).parent.glob("bench_*.py"))
    modules = {name: importlib.import_module(f"lab.bench_{name}") for name in names}
    parser = argparse.ArgumentParser(prog="tools/bench")
    benches = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in modules.items():
        first_line = module.__doc__.split("\n")[0].replace("%", "%%")
        sub = benches.add_parser(name, help=first_line, description=module.__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(sub)
        sub.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the result there")
        sub.add_argument("--keep-logs", type=pathlib.Path, metavar="DIR", help="copy all logs there")
    arguments = parser.parse_args()
    signals.install()
    reporter = Reporter()
    build = Build()
    try:
        reporter.step("building")
        build.setup("-Dbuildtype=debugoptimized")
        build.compile(tuple(f"tools/{name}/{name}" for name in modules[arguments.name].TOOLS))
        result = modules[arguments.name].run(arguments, build, reporter)
    except LabError as error:
        reporter.line()
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except signals.Interrupted as interrupted:
        reporter.line()
        print(f"bench: {interrupted}, cleaned up", file=sys.stderr)
        return interrupted.exit_code
    if arguments.json:
        result = {"bench": arguments.name, "machine": machine(), **result}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if result.get("good", True) else 1


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release()}


if __name__ == "__main__":
    sys.exit(main())
