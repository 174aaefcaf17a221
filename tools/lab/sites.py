# SPDX-License-Identifier: Apache-2.0
"""The topology: namespaces site a, site b and the wide area between them.

    [site a]  wan0 ═══ port-a  [ the wide area ]  port-b ═══ wan0  [site b]
    kernel 10.77.0.1, gateway 10.77.0.101              kernel 10.77.0.2, gateway 10.77.0.102

What forwards between port-a and port-b is lab.link.  Offloads are off, so that frames are what the MTU says and carry
real checksums.  The kernel's neighbours are static and IPv6 is off: nothing but the measured traffic is on the wire."""
import contextlib
import fcntl
import os
import pathlib

from lab import LabError
from lab.process import run

SITES = ("a", "b")
KERNEL_ADDRESS = {"a": "10.77.0.1", "b": "10.77.0.2"}
GATEWAY_ADDRESS = {"a": "10.77.0.101", "b": "10.77.0.102"}
GATEWAY_ADDRESS_V6 = {"a": "fd00:77::101", "b": "fd00:77::102"}
PREFIX_BITS = 24
WAN_INTERFACE = "wan0"
_OFFLOADS = ("rx", "tx", "sg", "tso", "gso", "gro")
_TCP_BUFFER_BYTES_MAX = 256 << 20
_ALLOWED = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def other(site):
    return "b" if site == "a" else "a"


def port(site):
    return f"port-{site}"


class Sites(contextlib.AbstractContextManager):
    """Names are unique by process id and counter: any number of labs can stand side by side."""

    _count = 0

    def __init__(self, mtu=1500):
        if os.geteuid() != 0:
            raise LabError("the lab makes network namespaces: run it as root")
        self.mtu = mtu
        Sites._count += 1
        prefix = f"dwcp-{os.getpid()}-{Sites._count}"
        self.namespace = {site: f"{prefix}-{site}" for site in SITES}
        self.wide_area = f"{prefix}-wan"
        self._cleanup = contextlib.ExitStack()

    def __enter__(self):
        try:
            for name in (self.wide_area, *self.namespace.values()):
                run(["ip", "netns", "add", name])
                self._cleanup.callback(run, ["ip", "netns", "del", name], check=False)
                self._sysctl(name, "net.ipv6.conf.all.disable_ipv6", 1)
                self._sysctl(name, "net.ipv6.conf.default.disable_ipv6", 1)
                run(["ip", "link", "set", "lo", "up"], name)
            for site in SITES:
                self._join(site)
            for site in SITES:
                mac = self._mac(other(site))
                run(["ip", "neigh", "replace", KERNEL_ADDRESS[other(site)], "lladdr", mac, "nud", "permanent", "dev",
                     WAN_INTERFACE], self.namespace[site])
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_):
        self._cleanup.close()

    def run(self, site, argv, **options):
        return run(argv, self.namespace[site], **options)

    def use_congestion_control(self, name):
        """What kernel TCP of both sites uses from now on.  A namespace may choose only what the host allows to
        ordinary users: the host's list is widened for the moment of the choice and put back, under a lock."""
        with open("/run/lock/dwcp-lab", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            allowed = _ALLOWED.read_text().split()
            widened = name not in allowed
            if widened:
                _ALLOWED.write_text(" ".join([*allowed, name]))
            try:
                for namespace in self.namespace.values():
                    self._sysctl(namespace, "net.ipv4.tcp_congestion_control", name)
            except (LabError, OSError):
                raise LabError(f"this kernel has no TCP congestion control {name}") from None
            finally:
                if widened:
                    _ALLOWED.write_text(" ".join(allowed))

    def port_bytes(self):
        """Bytes that came to the link from each site, framing included: {"a": …, "b": …}."""
        counters = {}
        for site in SITES:
            path = f"/sys/class/net/{port(site)}/statistics/rx_bytes"
            counters[site] = int(run(["cat", path], self.wide_area))
        return counters

    def _join(self, site):
        namespace = self.namespace[site]
        run(["ip", "link", "add", WAN_INTERFACE, "mtu", self.mtu, "netns", namespace, "type", "veth", "peer", "name",
             port(site), "mtu", self.mtu, "netns", self.wide_area])
        for where, interface in ((namespace, WAN_INTERFACE), (self.wide_area, port(site))):
            switches = [word for name in _OFFLOADS for word in (name, "off")]
            run(["ethtool", "-K", interface, *switches], where)
            run(["ip", "link", "set", interface, "txqueuelen", 10000, "up"], where)
        run(["ip", "addr", "add", f"{KERNEL_ADDRESS[site]}/{PREFIX_BITS}", "dev", WAN_INTERFACE], namespace)
        for key, value in (("net.ipv4.conf.all.arp_ignore", 1), ("net.ipv4.ip_forward", 0),
                           ("net.ipv4.tcp_no_metrics_save", 1),
                           ("net.ipv4.tcp_rmem", f"4096 131072 {_TCP_BUFFER_BYTES_MAX}"),
                           ("net.ipv4.tcp_wmem", f"4096 65536 {_TCP_BUFFER_BYTES_MAX}")):
            self._sysctl(namespace, key, value)

    def _mac(self, site):
        return self.run(site, ["cat", f"/sys/class/net/{WAN_INTERFACE}/address"]).strip()

    @staticmethod
    def _sysctl(namespace, key, value):
        run(["sysctl", "-q", "-w", f"{key}={value}"], namespace)
