#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The systemd units: as tight as they were, and well-formed.  Exit code 77: not here.

check_units.py SOURCE_DIR

  1. `systemd-analyze security` rates each way of running the gateway at or below its bound (0 is tightest, 10 none).
  2. `systemd-analyze verify` finds nothing to say but that the program is not installed.
  3. systemd-sysusers takes our users.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1]).resolve()
PACKAGING = SOURCE / "packaging"
UNIT = PACKAGING / "systemd" / "dwcp-gateway@.service"
# (drop-in, bound in tenths).  What is left is the service itself: the host's network, af_packet, users, /proc/meminfo.
RATED = ((None, 20), ("dwcp-gateway-vfio.conf", 18))


def run(*argv):
    done = subprocess.run(list(map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def check_rating(folder, drop_in, bound):
    unit = folder / "dwcp-gateway@x.service"
    unit.write_text(UNIT.read_text() + ((PACKAGING / "systemd" / drop_in).read_text() if drop_in else ""))
    code, output = run("systemd-analyze", "security", "--offline=true", f"--threshold={bound}", unit)
    overall = re.search(r"Overall exposure level for \S+ ([0-9.]+)", output)
    print(f"{drop_in or 'as it is'}: exposure {overall[1] if overall else '?'}, bound {bound / 10}")
    if not overall:
        return [f"systemd-analyze security: {output}"]
    return [] if code == 0 else [f"{drop_in or UNIT.name}: exposure {overall[1]} is above {bound / 10}"]


def check_form(folder):
    unit = folder / "dwcp-gateway@x.service"
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit.write_text(UNIT.read_text().replace("/usr/bin/dwcp-gateway", str(program)))
    _, output = run("systemd-analyze", "verify", "--man=no", unit)
    return [f"systemd-analyze verify: {line}" for line in output.splitlines() if "dwcp" in line]


def check_users():
    code, output = run("systemd-sysusers", "--dry-run", PACKAGING / "sysusers.d" / "dwcp.conf")
    return [] if code == 0 else [f"systemd-sysusers: {output}"]


def main():
    if shutil.which("systemd-analyze") is None or shutil.which("systemd-sysusers") is None:
        print("SKIPPED: no systemd-analyze here; tools/deps test installs it")
        return 77
    errors = []
    with tempfile.TemporaryDirectory(prefix="dwcp-units-") as name:
        folder = pathlib.Path(name)
        for drop_in, bound in RATED:
            errors += check_rating(folder, drop_in, bound)
        errors += check_form(folder)
    errors += check_users()
    print("\n".join(errors) or "well")
    return 1 if errors else 0


sys.exit(main())
