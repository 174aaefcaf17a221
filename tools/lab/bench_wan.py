# SPDX-License-Identifier: Apache-2.0
"""Goodput of random bytes across an emulated WAN: the gateway pair beside the kernel's TCP, over the same link.

The whole transfer counts, ramp-up included: bytes that the far application had when the time was over, divided by that
time; the fraction is of the raw link rate.  The gateways carry one opaque stream; TCP runs cubic and bbr with 1 and 8
flows.  Every byte is compared at the far end.  wire/byte is what the sender put on the link for each byte delivered.
With --resumed a second row has the same gateways on a link they know: after a first transfer the far gateway is
restarted, and the transfer that counts is the first one of the new session."""
import contextlib
import dataclasses

from lab import LabError, link, sites
from lab.gateway import Gateway
from lab.report import table
from lab.stream import transfer
from lab.workspace import Workspace

TOOLS = ("dwcp-gateway", "dwcp-wan", "dwcp-bench")
ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"
KNOWN_AFTER_S = 10  # of use, before the link counts as known
_TCP_PORT = 5201


def add_arguments(parser):
    link.add_arguments(parser, link.LinkSpec(rate_mbps=1000, rtt_ms=50, loss=0))
    parser.add_argument("--seconds", type=float, default=20, metavar="S", help="of each row (default %(default)s)")
    parser.add_argument("--flows", type=_counts, default=(1, 8), metavar="N,N", help="of kernel TCP (default 1,8)")
    parser.add_argument("--congestion", type=lambda text: tuple(text.split(",")), default=("cubic", "bbr"),
                        metavar="NAME,NAME", help="of kernel TCP (default cubic,bbr)")
    parser.add_argument("--queue-bdp", type=float, metavar="F", help="the link's queue as a multiple of rate x rtt")
    parser.add_argument("--resumed", action="store_true", help="add the gateways on a link they have used before")
    parser.add_argument("--only", choices=("gateway", "tcp"), help="leave the other out")


def run(arguments, build, reporter):
    spec = dataclasses.replace(link.from_arguments(arguments), queue_bdp=arguments.queue_bdp)
    rows = []
    if arguments.only != "tcp":
        rows.append(_measure(build, spec, arguments, reporter, "DWCP gateways", _through_gateways))
        if arguments.resumed:
            rows.append(_measure(build, spec, arguments, reporter, "DWCP, resumed", _on_a_known_link))
    if arguments.only != "gateway":
        for congestion in arguments.congestion:
            for flows in arguments.flows:
                rows.append(_measure(build, spec, arguments, reporter, f"TCP {congestion} x{flows}",
                                     _over_tcp(congestion, flows)))
    reporter.line()
    reporter.line(f"Link: {spec.text()}; {arguments.seconds:g} s each")
    for text in table(("way", "Mb/s", "of link", "wire/byte", "gateways' CPU", "peak RSS", "emulator CPU"),
                      [_cells(row) for row in rows]):
        reporter.line("  " + text)
    return {"link": dataclasses.asdict(spec), "seconds": arguments.seconds, "rows": rows,
            "good": all(row["intact"] for row in rows)}


def _counts(text):
    return tuple(int(part) for part in text.split(","))


def _measure(build, spec, arguments, reporter, name, way):
    """Each row has a fresh topology and the link's chances from the same seed."""
    with Workspace(arguments.keep_logs, name.replace(" ", "-")) as work, sites.Sites() as topology, \
            link.Link(build, topology, spec, work) as wan:
        reporter.progress(f"{name}: {arguments.seconds:g} s")
        result, extra = way(build, topology, work, arguments, wan)
        sent = wan.sent_bytes()["a"] - extra.pop("sent_before", 0)
        counters = wan.stop()
    row = {"way": name, "goodput_mbps": round(result.goodput_mbps(), 1),
           "fraction": round(result.goodput_mbps() / spec.rate_mbps, 4), "intact": result.intact,
           "wire_per_byte": round(sent / result.total_bytes, 4) if result.total_bytes else None,
           "drained_s": round(result.drained_s, 2), "per_second_bytes": result.per_second_bytes,
           "emulator_cpu_s": round(counters["cpu_s"], 2), "emulator": counters["total"], **extra}
    reporter.step(f"{name}: {row['goodput_mbps']:.0f} Mb/s, {row['fraction']:.3f} of the link"
                  + ("" if result.intact else ", DAMAGED OR CUT SHORT"))
    return row


def _through_gateways(build, topology, work, arguments, _wan):
    with contextlib.ExitStack() as stack:
        near = stack.enter_context(_near(build, topology, work))
        far = stack.enter_context(_far(build, topology, work))
        return _measured_transfer(build, topology, work, arguments, near, far)


def _on_a_known_link(build, topology, work, arguments, wan):
    with contextlib.ExitStack() as stack:
        near = stack.enter_context(_near(build, topology, work))
        with _far(build, topology, work) as far:
            for gateway in (near, far):
                gateway.wait_ready()
            if not transfer(build, topology, work, EXIT, ENTRY, seconds=KNOWN_AFTER_S).intact:
                raise LabError("the transfer that teaches the link was damaged or cut short")
            session = near.query("/dwcp/peer,site-b")["session_id"]
        far = stack.enter_context(_far(build, topology, work))
        near.process.wait_until(lambda: near.query("/dwcp/peer,site-b")["session_id"] != session, 60, "a new session")
        sent_before = wan.sent_bytes()["a"]
        result, extra = _measured_transfer(build, topology, work, arguments, near, far)
        return result, {**extra, "sent_before": sent_before}


def _near(build, topology, work):
    return Gateway(build, topology, "a", work, listeners={"bench": (ENTRY, "bench")})


def _far(build, topology, work):
    return Gateway(build, topology, "b", work, services={"bench": EXIT})


def _measured_transfer(build, topology, work, arguments, near, far):
    for gateway in (near, far):
        gateway.wait_ready()
    before_s = {gateway.name: gateway.process.cpu_s() for gateway in (near, far)}
    result = transfer(build, topology, work, EXIT, ENTRY, seconds=arguments.seconds)
    cpu_s = {gateway.name: round(gateway.process.cpu_s() - before_s[gateway.name], 2) for gateway in (near, far)}
    rss = {gateway.name: gateway.process.peak_rss_bytes for gateway in (near, far)}
    peer = near.query("/dwcp/peer,site-b")
    return result, {"gateway_cpu_s": cpu_s, "gateway_peak_rss_bytes": rss, "link_state": peer}


def _over_tcp(congestion, flows):
    def way(build, topology, work, arguments, _wan):
        listen = f"tcp:0.0.0.0:{_TCP_PORT}"
        connect = f"tcp:{sites.KERNEL_ADDRESS['b']}:{_TCP_PORT}"
        return transfer(build, topology, work, listen, connect, seconds=arguments.seconds, flows=flows,
                        congestion=congestion), {}
    return way


def _cells(row):
    cpu, rss = row.get("gateway_cpu_s"), row.get("gateway_peak_rss_bytes")
    return (row["way"], f"{row['goodput_mbps']:.1f}", f"{row['fraction']:.3f}", f"{row['wire_per_byte'] or 0:.3f}",
            " + ".join(f"{value:.1f}" for value in cpu.values()) + " s" if cpu else "-",
            " / ".join(f"{value >> 20}" for value in rss.values()) + " MiB" if rss else "-",
            f"{row['emulator_cpu_s']:.1f} s" + ("" if row["intact"] else "  DAMAGED"))
