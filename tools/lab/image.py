# SPDX-License-Identifier: Apache-2.0
"""The guest's kernel and initramfs, made once and kept in the build directory.

Kernel: Debian's cloud kernel, taken out of its package without installing it.  Initramfs: busybox, redis with the
libraries it needs, and the files of tools/lab/guest; a new one is made when any of them changes."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from lab import LabError
from lab.process import run

_GUEST_FILES = pathlib.Path(__file__).parent / "guest"
_META_PACKAGE = "linux-image-cloud-amd64"


class Image:
    def __init__(self, kernel, initramfs):
        self.kernel = kernel
        self.initramfs = initramfs


def provide(cache):
    """The image, from the cache directory or newly made."""
    cache = pathlib.Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    return Image(_kernel(cache), _initramfs(cache))


def _kernel(cache):
    kept = cache / "vmlinuz"
    if kept.exists():
        return kept
    package = _kernel_package()
    if package is None:
        run(["apt-get", "update", "-q"], timeout_s=300)
        package = _kernel_package()
    if package is None:
        raise LabError(f"apt knows no {_META_PACKAGE}: the guest's kernel comes from there (Debian 12, amd64)")
    with tempfile.TemporaryDirectory(dir=cache) as work:
        download = ["env", "-C", work, "apt-get", "download", "-q", package]
        try:
            run(download, timeout_s=300)
        except LabError:  # a package list older than the archive
            run(["apt-get", "update", "-q"], timeout_s=300)
            run(download, timeout_s=300)
        archive = next(pathlib.Path(work).glob("*.deb"))
        run(["dpkg", "-x", archive, f"{work}/root"], timeout_s=120)
        os.replace(next(pathlib.Path(f"{work}/root/boot").glob("vmlinuz-*")), kept)
    return kept


def _kernel_package():
    output = run(["apt-cache", "depends", _META_PACKAGE], check=False)
    found = re.search(r"Depends: (linux-image-\S+-cloud-amd64)$", output, re.MULTILINE)
    return found.group(1) if found else None


def _initramfs(cache):
    sources = sorted(path for path in _GUEST_FILES.iterdir() if path.is_file())
    redis_server, redis_cli, busybox = map(_program, ("redis-server", "redis-cli", "busybox"))
    digest = hashlib.sha256()
    for path in (*sources, redis_server, redis_cli, busybox):
        digest.update(path.read_bytes())
    kept = cache / f"initramfs-{digest.hexdigest()[:16]}.cpio.zst"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(dir=cache) as work:
        root = pathlib.Path(work) / "root"
        for folder in ("bin", "dev", "etc", "lib", "proc", "run", "sys", "tmp"):
            (root / folder).mkdir(parents=True)
        shutil.copy2(busybox, root / "bin/busybox")
        for program, name in ((redis_server, "redis-server"), (redis_cli, "redis-cli")):
            shutil.copy2(program, root / "bin" / name)
            _copy_libraries(program, root)
        shutil.copy2(_GUEST_FILES / "redis.conf", root / "etc/redis.conf")
        shutil.copy2(_GUEST_FILES / "init", root / "init")
        (root / "init").chmod(0o755)
        for program in ("app", "beat"):
            run(["g++", "-std=c++20", "-Wall", "-Wextra", "-O2", "-static", "-o", root / "bin" / program,
                 _GUEST_FILES / f"{program}.cc"], timeout_s=120)
        _pack(root, kept)
    return kept


def _program(name):
    found = shutil.which(name)
    if not found:
        raise LabError(f"{name} is not installed (tools/deps installs it)")
    return pathlib.Path(found).resolve()


def _copy_libraries(program, root):
    """To the very paths the loader looks at."""
    for path in re.findall(r"(/\S+) \(0x", run(["ldd", program])):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy2(os.path.realpath(path), target)


def _pack(root, kept):
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    partial = kept.with_suffix(".partial")
    with open(partial, "wb") as output:
        cpio = subprocess.Popen(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
        zstd = subprocess.Popen(["zstd", "-q", "-3"], stdin=cpio.stdout, stdout=output)
        cpio.stdout.close()
        cpio.stdin.write(names.encode())
        cpio.stdin.close()
        if cpio.wait() or zstd.wait():
            raise LabError("the guest's initramfs could not be packed")
    os.replace(partial, kept)
