# SPDX-License-Identifier: Apache-2.0
"""The lab's certificates, made by dwcpctl pki as an operator would."""
import pathlib

from lab.process import run


class Pki:
    """A CA in a folder of its own, made when first asked for anything."""

    def __init__(self, build, folder):
        self._dwcpctl = build.tool("dwcpctl")
        self.folder = pathlib.Path(folder)

    @property
    def ca(self):
        if not (self.folder / "ca.crt").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.command("init", "--dir", self.folder)
        return self.folder / "ca.crt"

    def issue(self, name, *options):
        """(certificate, key) of the gateway of that name; those there are, if any."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if not certificate.exists() or options:
            self.command("issue", name, "--dir", self.ca.parent, *options)
        return certificate, key

    def command(self, *words):
        return run([self._dwcpctl, "pki", *map(str, words)])
