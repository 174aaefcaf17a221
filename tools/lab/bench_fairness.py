# SPDX-License-Identifier: Apache-2.0
"""How a gateway pair shares an emulated link with N flows of the kernel's TCP: shares, Jain's index, queueing delay.

All of it goes through one drop-tail queue of one bandwidth-delay product in the emulator, from site a to site b.  A share
is a part of what all of them delivered after the warm-up, in fair shares, of which there are N + 1.  RTT is what the
TCP flows themselves see (ss), with the gateways beside them and alone.  Fails when a gateway's share is not within 0.5 and 2, or
when it adds more than a bandwidth-delay product of queue."""
import concurrent.futures
import contextlib
import dataclasses
import re
import statistics
import time

from lab import LabError, link, sites
from lab.gateway import Gateway
from lab.process import run as run_command
from lab.report import table
from lab.stream import transfer
from lab.workspace import Workspace

TOOLS = ("dwcp-gateway", "dwcp-wan", "dwcp-bench")
SHARE_MIN, SHARE_MAX = 0.5, 2.0
QUEUE_ADDED_MAX_BDP = 1.0
_ENTRY = "tcp:127.0.0.1:4444"
_EXIT = "tcp:127.0.0.1:4445"
_TCP_PORT = 5201
_SAMPLE_EVERY_S = 0.5


def add_arguments(parser):
    link.add_arguments(parser, link.LinkSpec(rate_mbps=100, rtt_ms=50, loss=0))
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="of each cell (default %(default)s)")
    parser.add_argument("--warm", type=int, default=30, metavar="S", help="of them not counted (default %(default)s)")
    parser.add_argument("--flows", type=lambda text: tuple(int(part) for part in text.split(",")), default=(1, 4, 8),
                        metavar="N,N", help="of kernel TCP (default 1,4,8)")
    parser.add_argument("--congestion", type=lambda text: tuple(text.split(",")), default=("cubic", "bbr"),
                        metavar="NAME,NAME", help="of kernel TCP (default cubic,bbr)")
    parser.add_argument("--streams", type=int, default=4, metavar="N", help="of the gateways' link (default %(default)s)")


def run(arguments, build, reporter):
    if arguments.seconds < arguments.warm + 2:
        raise LabError("--seconds must leave two seconds after --warm")
    spec = dataclasses.replace(link.from_arguments(arguments), queue_bdp=1.0)
    cells = []
    for congestion in arguments.congestion:
        for flows in arguments.flows:
            alone = _measure(build, spec, arguments, reporter, congestion, flows, with_us=False)
            cells.append(judge(_measure(build, spec, arguments, reporter, congestion, flows, with_us=True), alone, spec.rtt_ms))
    reporter.line()
    reporter.line(f"Link: {spec.text()}, queue of one BDP; {arguments.seconds - arguments.warm:g} s of each cell count")
    head = ("with", "share", "TCP least", "most", "Jain", "of link", "RTT mean", "p90", "without us", "p90", "")
    for text in table(head, [_row(cell) for cell in cells]):
        reporter.line("  " + text)
    return {"link": dataclasses.asdict(spec), "seconds": arguments.seconds, "warm": arguments.warm, "cells": cells,
            "good": all(not cell["faults"] for cell in cells)}


def judge(cell, alone, rtt_ms):
    """Adds to a cell what follows from its goodputs (Mb/s; ours first) and from those of the TCP flows alone."""
    rates = cell["goodput_mbps"]
    total = sum(rates)
    fair = total / len(rates)
    shares = [rate / fair if fair else 0.0 for rate in rates]
    squares = sum(rate * rate for rate in rates)
    added_bdp = (cell["rtt_ms_mean"] - alone["rtt_ms_mean"]) / rtt_ms if rtt_ms else 0.0
    faults = [] if cell["intact"] else ["damaged"]
    if not SHARE_MIN <= shares[0] <= SHARE_MAX:
        faults.append("share")
    if added_bdp > QUEUE_ADDED_MAX_BDP:
        faults.append("queue")
    return {**cell, "share": round(shares[0], 3), "tcp_shares": [round(share, 3) for share in shares[1:]],
            "jain": round(total * total / (len(rates) * squares), 4) if squares else 0.0,
            "queue_added_bdp": round(added_bdp, 3), "alone": alone, "faults": faults}


def _measure(build, spec, arguments, reporter, congestion, flows, with_us):
    """One run on a fresh topology: the TCP flows, each a process pair of its own, and the gateways or not."""
    name = f"TCP {congestion} x{flows}" + (" and the gateways" if with_us else " alone")
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(Workspace(arguments.keep_logs, name.replace(" ", "-")))
        topology = stack.enter_context(sites.Sites())
        wan = stack.enter_context(link.Link(build, topology, spec, work))
        if with_us:
            extra = f"\n[transport]\nstreams_initial = {arguments.streams}\n"
            near = stack.enter_context(Gateway(build, topology, "a", work, listeners={"bench": (_ENTRY, "bench")}, extra=extra))
            far = stack.enter_context(Gateway(build, topology, "b", work, services={"bench": _EXIT}, extra=extra))
            near.wait_ready()
            far.wait_ready()
        reporter.progress(f"{name}: {arguments.seconds:g} s")
        transfers, rtts_ms = _run_together(build, topology, work, arguments, congestion, flows, with_us)
        counters = wan.stop()
    counted = [transfer.per_second_bytes[arguments.warm:] for transfer in transfers]
    rates = [sum(seconds) * 8 / len(seconds) / 1e6 for seconds in counted]
    if not rtts_ms:
        raise LabError(f"{name}: no TCP flow was seen after the warm-up")
    reporter.step(f"{name}: {sum(rates):.0f} Mb/s together" + (f", {rates[0]:.1f} of it ours" if with_us else ""))
    return {"tcp": congestion, "flows": flows, "goodput_mbps": [round(rate, 2) for rate in rates],
            "of_link": round(sum(rates) / spec.rate_mbps, 4), "rtt_ms_mean": round(statistics.fmean(rtts_ms), 2),
            "rtt_ms_p90": round(sorted(rtts_ms)[int(0.9 * (len(rtts_ms) - 1))], 2),
            "intact": all(transfer.intact for transfer in transfers), "emulator": counters["total"]}


def _run_together(build, topology, work, arguments, congestion, flows, with_us):
    """All transfers at once, ours first; and the round trips that the TCP flows saw after the warm-up."""
    ends = [(_EXIT, _ENTRY, "")] if with_us else []
    for port in range(_TCP_PORT, _TCP_PORT + flows):
        ends.append((f"tcp:0.0.0.0:{port}", f"tcp:{sites.KERNEL_ADDRESS['b']}:{port}", congestion))
    if congestion:
        topology.use_congestion_control(congestion)

    def one(number, listen, connect, control):
        folder = work / f"flow-{number}"
        folder.mkdir()
        return transfer(build, topology, folder, listen, connect, seconds=arguments.seconds, congestion=control, seed=number + 1)

    rtts_ms = []
    with concurrent.futures.ThreadPoolExecutor(len(ends)) as pool:
        began_s = time.monotonic()
        running = [pool.submit(one, number, *end) for number, end in enumerate(ends)]
        while (passed_s := time.monotonic() - began_s) < arguments.seconds and not any(f.done() for f in running):
            if passed_s >= arguments.warm:
                seen = run_command(["ss", "-Htin", "dst", sites.KERNEL_ADDRESS["b"]], topology.namespace["a"])
                rtts_ms += round_trips_ms(seen)
            time.sleep(_SAMPLE_EVERY_S)
        return [future.result() for future in running], rtts_ms


def round_trips_ms(text):
    """The smoothed round trips in the output of ss -ti."""
    return [float(found) for found in re.findall(r"(?<!min)\brtt:([0-9.]+)/", text)]


def _row(cell):
    alone = cell["alone"]
    return (f"TCP {cell['tcp']} x{cell['flows']}", f"{cell['share']:.2f}", f"{min(cell['tcp_shares']):.2f}",
            f"{max(cell['tcp_shares']):.2f}", f"{cell['jain']:.3f}", f"{cell['of_link']:.3f}",
            f"{cell['rtt_ms_mean']:.0f} ms", f"{cell['rtt_ms_p90']:.0f} ms", f"{alone['rtt_ms_mean']:.0f} ms",
            f"{alone['rtt_ms_p90']:.0f} ms", ", ".join(cell["faults"]).upper())
