# SPDX-License-Identifier: Apache-2.0
"""Where the built programs are, and building them."""
import os
import pathlib
import subprocess

from lab import LabError

SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Build:
    def __init__(self, folder=None):
        self.folder = pathlib.Path(folder or os.environ.get("DWCP_BUILD") or SOURCE / "build").resolve()

    def tool(self, name):
        path = self.folder / "tools" / name / name
        if not path.exists():
            raise LabError(f"{path} is not built")
        return path

    def cache(self):
        """For what is made once and is not part of the build: the guest image."""
        return self.folder / "lab"

    def setup(self, *options, compiler=None):
        """Configures the folder once; what ninja needs to know of later changes it finds out itself."""
        if (self.folder / "build.ninja").exists():
            return
        environment = dict(os.environ)
        if compiler:
            environment["CC"], environment["CXX"] = compiler
        self._run(["meson", "setup", str(self.folder), str(SOURCE), *options], "configuring", environment)

    def compile(self, targets=()):
        self._run(["ninja", "-C", str(self.folder), *targets], "building")

    def _run(self, argv, what, environment=None):
        self.folder.mkdir(parents=True, exist_ok=True)
        log_path = self.folder / f"{what}.log"
        with open(log_path, "wb") as log:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment,
                                  cwd=SOURCE)
        if done.returncode != 0:
            lines = log_path.read_text(errors="replace").splitlines()
            errors = [line for line in lines if "error" in line.lower() or "FAILED" in line][:12] or lines[-12:]
            raise LabError(f"{what} failed, the whole log is {log_path}\n" + "\n".join(errors))
