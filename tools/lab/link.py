# SPDX-License-Identifier: Apache-2.0
"""The link between the sites: dwcp-wan between the two ports of the wide area."""
import argparse
import dataclasses
import json
import pathlib
import socket

from lab import LabError
from lab.process import Process
from lab.sites import port


@dataclasses.dataclass(frozen=True)
class LinkSpec:
    """rtt is the whole round trip; loss is a fraction, drawn for each packet in each direction."""
    rate_mbps: float = 300
    rtt_ms: float = 50
    loss: float = 0.001
    seed: int = 1
    queue_bdp: float | None = None
    mtu: int | None = None      # larger IP packets vanish
    mtu_report: bool = False    # or are answered by ICMP

    def text(self):
        return f"{self.rate_mbps:g} Mb/s, {self.rtt_ms:g} ms, {self.loss * 100:g} % loss"


def add_arguments(parser, defaults=LinkSpec()):
    parser.add_argument("--rate-mbps", type=_positive, default=defaults.rate_mbps, metavar="M",
                        help="link rate in each direction (default %(default)s)")
    parser.add_argument("--rtt-ms", type=_not_negative, default=defaults.rtt_ms, metavar="T",
                        help="round-trip time without queueing (default %(default)s)")
    parser.add_argument("--loss", type=_fraction, default=defaults.loss, metavar="P",
                        help="loss: a fraction (0.001) or a percentage (0.1%%); default %(default)s")
    parser.add_argument("--seed", type=int, default=defaults.seed, metavar="S", help="of the link's chances")


def from_arguments(arguments):
    return LinkSpec(arguments.rate_mbps, arguments.rtt_ms, arguments.loss, arguments.seed)


def _checked(text, allowed, good):
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = None
    if value is None or not good(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not {allowed}")
    return value


def _positive(text):
    return _checked(text, "a rate in Mb/s above 0, up to 400000", lambda value: 0 < value <= 400_000)


def _not_negative(text):
    return _checked(text, "a time of 0 to 10000 ms", lambda value: 0 <= value <= 10_000)


def _fraction(text):
    return _checked(text, "a fraction from 0 to below 1, or a percentage", lambda value: 0 <= value < 1)


class Link:
    """Context manager: the emulator runs inside."""

    def __init__(self, build, sites, spec, work):
        self._sites = sites
        self.spec = spec
        self.counters_path = pathlib.Path(work) / "wan-counters.json"
        self._control_path = pathlib.Path(work) / "wan-control"
        ready = pathlib.Path(work) / "wan-ready"
        ready.unlink(missing_ok=True)
        argv = [build.tool("dwcp-wan"), "--a", port("a"), "--b", port("b"), "--rate-mbps", f"{spec.rate_mbps:g}",
                "--rtt-ms", f"{spec.rtt_ms:g}", "--loss", f"{spec.loss:g}", "--seed", spec.seed,
                "--counters", self.counters_path, "--ready-file", ready, "--control", self._control_path]
        if spec.queue_bdp is not None:
            argv += ["--queue-bdp", f"{spec.queue_bdp:g}"]
        if spec.mtu is not None:
            argv += ["--mtu", spec.mtu, "--mtu-report", int(spec.mtu_report)]
        self.process = Process("dwcp-wan", argv, pathlib.Path(work) / "dwcp-wan.log", sites.wide_area)
        try:
            self.process.wait_until(ready.exists, 20, "its start")
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

    def set(self, key, value):
        """One of the emulator's settings, in both directions, from now on."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(5)
            control.connect(str(self._control_path))
            control.sendall(f"set {key} {value}\n".encode())
            answer = control.makefile().readline().strip()
        if answer != "ok":
            raise LabError(f"dwcp-wan: set {key} {value}: {answer or 'no answer'}")

    def sent_bytes(self):
        """Bytes each site offered to the link so far, Ethernet headers included, lost ones too: {"a": …, "b": …}."""
        self.process.require_alive()
        return self._sites.port_bytes()

    def stop(self):
        """Ends the emulator and returns its counters."""
        self.process.stop()
        return json.loads(self.counters_path.read_text())
