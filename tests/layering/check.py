#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rooms of DESIGN §2, proven by the compiler and by reading.

check.py SOURCE_DIR BUILD_DIR

  1. Every header and source of the rooms that must know nothing of DPDK compiles with the include roots of the rooms
     below it only, and the compiler's own list of what it read names no DPDK file.  So each header is self-contained too.
  2. An upward include does not compile.
  3. rte_ stands in no file but those of the rooms that may use DPDK.
  4. No include goes by "../", and outside tools/ none names a file without its room.
"""
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

SOURCE = pathlib.Path(sys.argv[1])
BUILD = pathlib.Path(sys.argv[2])

# A room free of DPDK, and the rooms it may see.
FREE = {
    'base': ['base'],
    'config': ['config', 'base'],
    'compress': ['compress', 'base'],
    'drivers/impair': ['drivers/impair', 'base'],
    'dataplane/wire': ['dataplane/wire', 'base'],
    'dataplane/transport': ['dataplane/transport', 'dataplane/wire', 'base'],
    'dataplane/inet': ['dataplane/inet', 'drivers', 'base'],
}
# Where rte_ may stand (DESIGN §2).
DPDK_ROOMS = ['drivers/dpdk', 'dataplane/rings', 'dataplane/lcore', 'dataplane/crypto', 'tools/dwcp-gateway']
DPDK_FILES = ['control/telemetry.cc']
# A header of a room above, tried from below.
UPWARD = [
    ('dataplane/wire', 'control/loop.h'),
    ('dataplane/wire', 'dataplane/transport/lane.h'),
    ('dataplane/transport', 'dataplane/lcore/role.h'),
    ('dataplane/transport', 'dataplane/inet/host.h'),
    ('dataplane/inet', 'dataplane/transport/lane.h'),
    ('dataplane/inet', 'drivers/dpdk/dpdk_port.h'),
    ('compress', 'dataplane/wire/frame.h'),
    ('config', 'control/log.h'),
    ('base', 'config/config.h'),
]
CODE = ('base', 'config', 'compress', 'control', 'dataplane', 'drivers', 'tools')

errors = []


def include_flags(room):
    flags = []
    for seen in FREE[room]:
        flags += ['-I', str(BUILD / 'rooms' / seen.replace('/', '-'))]
    return flags


def compile_text(text, room):
    """What the compiler read (files), or its complaint."""
    done = subprocess.run(
        ['c++', '-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-H', '-x', 'c++', *include_flags(room), '-'],
        input=text, capture_output=True, text=True, cwd='/')  # a quoted include is looked for in the current folder first
    read = [line.split(' ', 1)[1] for line in done.stderr.splitlines() if re.match(r'^\.+ ', line)]
    complaint = [line for line in done.stderr.splitlines() if 'error' in line]
    return done.returncode, read, complaint


def check_file(job):
    room, path = job
    name = path.relative_to(SOURCE).as_posix()
    code, read, complaint = compile_text(f'#include "{name}"\n', room)
    found = []
    if code != 0:
        found.append(f'{name}: does not compile with the rooms below it alone: {complaint[:1]}')
    found += [f'{name}: reaches DPDK by {file}' for file in read if 'dpdk/' in file or '/rte_' in file]
    return found


def check_free_rooms():
    jobs = []
    for room in FREE:
        files = sorted(p for p in (SOURCE / room).rglob('*') if p.suffix in ('.h', '.cc'))
        if not files:
            errors.append(f'{room}: no file found, the check has lost its subject')
        jobs += [(room, path) for path in files]
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(check_file, jobs):
            errors.extend(found)
    return len(jobs)


def check_upward():
    for room, header in UPWARD:
        if not (SOURCE / header).exists():
            errors.append(f'{header}: gone, name another for the check')
        code, _, complaint = compile_text(f'#include "{header}"\n', room)
        if code == 0 or not any('No such file' in line for line in complaint):
            errors.append(f'{room} can include {header}')


def check_text():
    for top in CODE:
        for path in sorted((SOURCE / top).rglob('*')):
            if path.suffix not in ('.h', '.cc'):
                continue
            name = path.relative_to(SOURCE).as_posix()
            text = path.read_text()
            allowed = name in DPDK_FILES or any(name.startswith(room + '/') for room in DPDK_ROOMS)
            code = re.sub(r'//.*', '', text)
            if not allowed and re.search(r'\b(rte_|RTE_)\w', code):
                errors.append(f'{name}: names DPDK')
            for include in re.findall(r'#include "([^"]+)"', text):
                if '../' in include:
                    errors.append(f'{name}: includes {include}')
                elif top != 'tools' and not include.startswith(tuple(room + '/' for room in CODE)):
                    errors.append(f'{name}: includes {include} without its room')


count = check_free_rooms()
check_upward()
check_text()
for error in errors:
    print(error)
print(f'{count} files of {len(FREE)} rooms compiled without DPDK, {len(UPWARD)} upward includes tried, {len(errors)} errors')
sys.exit(1 if errors else 0)
