# SPDX-License-Identifier: Apache-2.0
"""A folder for one run's sockets, logs and configurations: short of path (unix sockets allow 107 bytes), gone after."""
import contextlib
import pathlib
import shutil
import tempfile


class Workspace(contextlib.AbstractContextManager):
    """Gives its path.  With keep, the logs, configurations and JSON in it are copied to keep/name at the end."""

    def __init__(self, keep=None, name=""):
        self._keep = pathlib.Path(keep) / name if keep else None

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="dwcp-"))
        return self.path

    def __exit__(self, *_):
        try:
            if self._keep:
                self._keep.mkdir(parents=True, exist_ok=True)
                for path in self.path.iterdir():
                    if path.suffix in (".log", ".toml", ".json"):
                        shutil.copy2(path, self._keep / path.name)
        finally:
            shutil.rmtree(self.path, ignore_errors=True)
