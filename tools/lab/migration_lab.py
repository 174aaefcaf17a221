# SPDX-License-Identifier: Apache-2.0
"""The lab of demo and comparison: two sites, a link, and guests that move from a to b."""
import contextlib

from lab import migrate, verify
from lab.gateway import Gateway
from lab.guest import Guest
from lab.link import Link
from lab.sites import KERNEL_ADDRESS, Sites
from lab.workspace import Workspace

ENTRY_URI = "tcp:127.0.0.1:4444"    # where the near gateway listens
EXIT_URI = "tcp:127.0.0.1:4445"     # where the target QEMU waits
_DIRECT_PORT = 4446


class MigrationLab(contextlib.AbstractContextManager):
    def __init__(self, build, spec, image, logs=None):
        self._build = build
        self._image = image
        self._logs = logs
        self._spec = spec
        self._cleanup = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.work = self._cleanup.enter_context(Workspace(self._logs))
            self.sites = self._cleanup.enter_context(Sites())
            self.link = self._cleanup.enter_context(Link(self._build, self.sites, self._spec, self.work))
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_):
        self._cleanup.close()

    @contextlib.contextmanager
    def gateways(self):
        """Both, with their link up."""
        with Gateway(self._build, self.sites, "a", self.work, listeners={"vm-in": (ENTRY_URI, "vm")}) as near, \
                Gateway(self._build, self.sites, "b", self.work, services={"vm": EXIT_URI}) as far:
            near.wait_ready()
            far.wait_ready()
            yield near, far

    def source(self, **options):
        return Guest("source", self._image, self.work, self.sites.namespace["a"], **options)

    def target(self, **options):
        return Guest("target", self._image, self.work, self.sites.namespace["b"], incoming=True, **options)

    def save_guest(self, path):
        """A guest with its Redis loaded and rewriting, saved to a file: the same start for every row of a table."""
        with self.source() as guest:
            guest.wait_ready()
            migrate.save(guest, path)

    def restored_source(self, path):
        guest = Guest("source", self._image, self.work, self.sites.namespace["a"], incoming=True)
        try:
            migrate.restore(guest, path)
        except BaseException:
            guest.stop()
            raise
        return guest

    def migrate_through_gateways(self, source, target, cap_s, watch=None):
        return migrate.run(source, target, self.link, ENTRY_URI, EXIT_URI, "plain", cap_s, watch)

    def migrate_alone(self, source, target, mode, congestion_control, cap_s, watch=None):
        """QEMU's own migration over the kernel's TCP."""
        self.sites.use_congestion_control(congestion_control)
        uri = f"tcp:{KERNEL_ADDRESS['b']}:{_DIRECT_PORT}"
        return migrate.run(source, target, self.link, uri, uri, mode, cap_s, watch)


def verified(source, target, outcome):
    """Waits for the guest to tick at the target, then all checks; returns (checks, pause seen by the guest)."""
    verify.wait_ticking(target)
    return verify.checks(source, target), verify.heartbeat_pause_ms(source, target, outcome)
