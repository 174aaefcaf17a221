# SPDX-License-Identifier: Apache-2.0
"""What 200 000 junk packets a second cost a transfer: goodput beside floods of each kind, and the gateway's memory.

Each round has a row without a flood, one with the same flood into an interface of site b that no gateway reads, which
costs what the flooder and the kernel cost on this machine, and one for each kind sent to the gateway.  Figures are
medians of the rounds.  `cost` is goodput lost against the row where the flood is not read; it holds the kernel's copying
into the port's ring, which a NIC would do by itself.  `ns/packet` is CPU time of site b's gateway beyond that row's.

  stranger       from other addresses, of no session          bad_tag     of the session that runs, but not sealed
  other_session  in the peer's name, of no session            ask         for cookies, in the peer's name: answered
  bad_cookie     first words of handshakes without a cookie

Last, asks, bad cookies, and handshakes begun with a good cookie for 30 s: memory may grow by 1 MiB at most."""
import contextlib
import pathlib
import random
import statistics

from lab import bench_wan, forge, link, sites
from lab.capture import Capture
from lab.gateway import Gateway
from lab.process import run as run_command
from lab.report import table
from lab.stream import transfer
from lab.workspace import Workspace

TOOLS = ("dwcp-gateway", "dwcpctl", "dwcp-wan", "dwcp-bench", "dwcp-flood")
COST_MAX = 0.10
REACHED_MIN = 0.95  # of the rate asked for; less says nothing about it
RSS_GROWTH_MAX = 1 << 20
_DARK = "dark"
_NONE, _UNREAD = "none", "unread"
_HANDSHAKE_S = 30
_SETTLE_S = 2


def add_arguments(parser):
    link.add_arguments(parser, link.LinkSpec(rate_mbps=200, rtt_ms=20, loss=0))
    parser.add_argument("--rate", type=float, default=200_000, metavar="N", help="junk packets/s (default %(default)s)")
    parser.add_argument("--data-bytes", type=int, default=100, metavar="N",
                        help="UDP payload of junk that poses as data (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="of each transfer (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default %(default)s)")
    parser.add_argument("--only", default="", metavar="KIND", help="this kind alone")


def run(arguments, build, reporter):
    spec = link.from_arguments(arguments)
    kinds = [kind for kind in forge.KINDS if arguments.only in ("", kind)]
    with Workspace(arguments.keep_logs, "flood") as work, sites.Sites() as topology, link.Link(build, topology, spec, work):
        _dark_interface(topology)
        path = pathlib.Path(work) / "start.pcap"
        with contextlib.ExitStack() as stack:
            with Capture(topology.namespace["b"], sites.WAN_INTERFACE, path, work):
                near = stack.enter_context(Gateway(build, topology, "a", work, listeners={"bench": (bench_wan.ENTRY, "bench")}))
                far = stack.enter_context(Gateway(build, topology, "b", work, services={"bench": bench_wan.EXIT}))
                near.wait_ready()
                far.wait_ready()
            bench = _Bench(arguments, build, topology, work, near, far, forge.read_pcap(path))
            rows = [_NONE, _UNREAD, *kinds]
            rounds = []
            for number in range(arguments.rounds):
                rounds.append({})
                for row in rows:
                    reporter.step(f"round {number + 1} of {arguments.rounds}: {row}")
                    rounds[-1][row] = bench.measure(row)
            reporter.step(f"handshakes for {_HANDSHAKE_S} s")
            memory = bench.handshakes()
    result = {row: _summary(row, rounds) for row in rows}
    slow = [kind for kind in kinds if result[kind]["packets_per_s"] < REACHED_MIN * arguments.rate]
    good = not slow and all(each["intact"] for each in result.values()) and memory["grown_bytes"] < RSS_GROWTH_MAX and \
        all(result[kind]["cost"] < COST_MAX for kind in kinds)
    reporter.line()
    reporter.line(f"  {arguments.rate:g} junk packets/s beside a stream over {spec.text()}, {arguments.seconds:g} s, median of {arguments.rounds}")
    for line in table(("flood", "packets/s", "Mb/s", "min..max", "cost", "b's cores", "ns/packet"), [_cells(row, result[row]) for row in rows]):
        reporter.line("  " + line)
    reporter.line(f"  {memory['packets']} handshake packets in {_HANDSHAKE_S} s: {memory['grown_bytes'] >> 10} KiB more resident")
    if slow:
        reporter.line(f"  the flooder did not get the CPU it needs: {', '.join(slow)} came at less than {arguments.rate:g} packets/s")
    reporter.line(f"  {'good' if good else 'NOT GOOD'}")
    return {"rate": arguments.rate, "rows": result, "memory": memory, "good": good}


class _Bench:
    def __init__(self, arguments, build, topology, work, near, far, frames):
        self._arguments, self._build, self._topology, self._work = arguments, build, topology, work
        self._near, self._far = near, far
        self._sent = [frame for frame in frames if forge.payload_of(frame) and
                      frame[26:30] == bytes(map(int, sites.GATEWAY_ADDRESS["a"].split(".")))]
        self._forger = forge.Forger.from_frame(self._sent[0])

    def measure(self, row):
        flood = contextlib.nullcontext()
        if row != _NONE:
            frames = self._forger.junk("bad_tag" if row == _UNREAD else row, self._session(), self._arguments.data_bytes)
            flood = forge.Flood(self._build, self._topology, self._work, frames, self._arguments.rate,
                                interface=_DARK if row == _UNREAD else sites.port("b"))
        cpu_s = self._far.process.cpu_s()
        with flood as running:
            moved = transfer(self._build, self._topology, self._work, bench_wan.EXIT, bench_wan.ENTRY, seconds=self._arguments.seconds)
        over_s = self._arguments.seconds if running is None else running.sent["seconds"]
        cpu_s = self._far.process.cpu_s() - cpu_s
        for gateway in (self._near, self._far):
            gateway.process.require_alive()
        return {"goodput_mbps": moved.goodput_mbps(), "intact": moved.intact, "cores": cpu_s / over_s,
                "packets_per_s": 0 if running is None else running.sent["packets"] / over_s,
                "flooder_cores": 0 if running is None else running.sent["cpu_s"] / over_s}

    def handshakes(self):
        """Beside an idle link."""
        cookie, parts = forge.hello(self._sent)
        dice = random.Random(2)
        frames = self._forger.junk("ask", count=2000) + self._forger.junk("bad_cookie", count=2000)
        frames += [self._forger.frame(forge.handshake(forge.INITIATOR, dice.getrandbits(64), cookie, data, offset))
                   for _ in range(1000) for offset, data in parts]
        dice.shuffle(frames)
        packets = int(self._arguments.rate * (_HANDSHAKE_S + _SETTLE_S))
        with forge.Flood(self._build, self._topology, self._work, frames, self._arguments.rate, packets) as flood:
            flood.sleep(_SETTLE_S)
            before = self._far.process.rss_bytes()
            flood.finish(2 * _HANDSHAKE_S)
            grown = self._far.process.rss_bytes() - before
        return {"packets": flood.sent["packets"], "grown_bytes": grown}

    def _session(self):
        return int(self._far.query(f"/dwcp/peer,{self._near.name}")["session_id"], 16)


def _dark_interface(topology):
    """From the wide area into site b, like the port's, but read by nobody."""
    run_command(["ip", "link", "add", _DARK, "netns", topology.wide_area, "type", "veth", "peer", "name", _DARK, "netns",
                 topology.namespace["b"]])
    for namespace in (topology.wide_area, topology.namespace["b"]):
        run_command(["ip", "link", "set", _DARK, "up"], namespace)


def _summary(row, rounds):
    def middle(name):
        return statistics.median(each[row][name] for each in rounds)

    goodput = [each[row]["goodput_mbps"] for each in rounds]
    summary = {name: round(middle(name), 3) for name in ("goodput_mbps", "packets_per_s", "cores", "flooder_cores")}
    summary |= {"goodput_min_mbps": round(min(goodput), 1), "goodput_max_mbps": round(max(goodput), 1),
                "intact": all(each[row]["intact"] for each in rounds)}
    # Within each round, since machines have moods.
    summary["cost"] = round(statistics.median(1 - each[row]["goodput_mbps"] / each[_UNREAD]["goodput_mbps"] for each in rounds), 4)
    if row not in (_NONE, _UNREAD):
        summary["ns_per_packet"] = round(statistics.median(
            1e9 * (each[row]["cores"] - each[_UNREAD]["cores"]) / each[row]["packets_per_s"] for each in rounds))
    return summary


def _cells(row, figures):
    return (row, f"{figures['packets_per_s']:.0f}", f"{figures['goodput_mbps']:.1f}",
            f"{figures['goodput_min_mbps']:.1f}..{figures['goodput_max_mbps']:.1f}",
            f"{figures['cost'] * 100:+.1f} %" if row != _UNREAD else "",
            f"{figures['cores']:.2f}", figures.get("ns_per_packet", ""))
