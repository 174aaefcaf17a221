# SPDX-License-Identifier: Apache-2.0
"""What an integration test is handed: a work folder, and makers of the lab's parts that are undone at its end.

    def test_something(lab):
        near, far = lab.gateways(listeners={"in": ("tcp:127.0.0.1:4444", "vm")}, services={"vm": "tcp:127.0.0.1:4445"})
        client = lab.connect("tcp:127.0.0.1:4444")
        expect(client.recv(1) == b"", "closed at once")"""
import contextlib
import json
import socket
import subprocess
import time

from lab import enter, guest, image
from lab.gateway import Gateway
from lab.link import Link, LinkSpec
from lab.process import run
from lab.sites import Sites
from lab.workspace import Workspace

FAST_LINK = LinkSpec(rate_mbps=500, rtt_ms=10, loss=0.001, seed=7)


class Skip(Exception):
    """This test cannot run here; says why."""


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def eventually(condition, what, within_s=10):
    """Returns condition()'s value once it is true."""
    end = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"within {within_s:g} s: {what}")
        time.sleep(0.05)
    return value


class Lab(contextlib.AbstractContextManager):
    def __init__(self, build, keep=None):
        self.build = build
        self._cleanup = contextlib.ExitStack()
        self.work = self._cleanup.enter_context(Workspace(keep))
        self.sites = None

    def __exit__(self, *_):
        self._cleanup.close()

    def topology(self, spec=FAST_LINK, mtu=1500):
        self.sites = self._cleanup.enter_context(Sites(mtu))
        self.link = self._cleanup.enter_context(Link(self.build, self.sites, spec, self.work))
        return self.sites

    def gateway(self, site, **options):
        return self._cleanup.enter_context(Gateway(self.build, self.sites, site, self.work, **options))

    def gateways(self, listeners=(), services=(), extra="", spec=FAST_LINK, mtu=1500, **options):
        """Site a listens, site b has the services; both linked.  mtu: of the ports, and of the gateways'
        configurations."""
        self.topology(spec, mtu)
        near = self.gateway("a", listeners=listeners, extra=extra, **options)
        far = self.gateway("b", services=services, extra=extra, **options)
        near.wait_ready()
        far.wait_ready()
        return near, far

    def listen(self, endpoint, site="b"):
        listener, address = self._socket(endpoint, site)
        if endpoint.startswith("tcp:"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(8)
        return listener

    def connect(self, endpoint, site="a"):
        client, address = self._socket(endpoint, site)
        client.connect(address)
        return client

    def guest(self, site, **options):
        """Small: 256 MiB, 20 000 records."""
        cache = image.provide(self.build.cache())
        return self._cleanup.enter_context(guest.Guest(f"guest-{site}", cache, self.work, self.sites.namespace[site],
                                                       memory_mib=256, records=20_000, rewrites_per_s=2000, **options))

    def ctl(self, gateway, *words):
        """dwcpctl's answer as JSON."""
        output = run([self.build.tool("dwcpctl"), "--runtime-dir", gateway.runtime, "--gateway", gateway.name, "--json",
                      *words])
        return json.loads(output)

    def run_gateway(self, *arguments, user=None, timeout_s=20):
        """Runs one that is expected to end by itself; returns (exit code, output)."""
        argv = [str(self.build.tool("dwcp-gateway")), *map(str, arguments)]
        if user is not None:
            argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]
        try:
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s: {' '.join(argv)}") from None
        return done.returncode, done.stdout

    def _socket(self, endpoint, site):
        made = None
        if endpoint.startswith("unix:"):
            made, address = socket.socket(socket.AF_UNIX), endpoint[5:]
            made.settimeout(20)
        else:
            host, port = endpoint[4:].rsplit(":", 1)
            made, address = enter.make_socket(self.sites.namespace[site]), (host, int(port))
        self._cleanup.callback(made.close)
        return made, address
