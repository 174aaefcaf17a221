# SPDX-License-Identifier: Apache-2.0
"""A transfer of given size through the gateways: goodput, and the memory each keeps resident (at most 1 GiB)."""
import dataclasses

from lab import bench_wan, link, sites
from lab.gateway import Gateway
from lab.stream import transfer
from lab.workspace import Workspace

TOOLS = bench_wan.TOOLS
RSS_BYTES_MAX = 1 << 30


def add_arguments(parser):
    link.add_arguments(parser, link.LinkSpec(rate_mbps=1000, rtt_ms=50, loss=0))
    parser.add_argument("--gib", type=float, default=2, metavar="N", help="size (default %(default)s)")


def run(arguments, build, reporter):
    spec = link.from_arguments(arguments)
    size_bytes = int(arguments.gib * (1 << 30))
    expected_s = size_bytes * 8 / spec.rate_mbps / 1e6
    with Workspace(arguments.keep_logs, "transfer") as work, sites.Sites() as topology, \
            link.Link(build, topology, spec, work), \
            Gateway(build, topology, "a", work, listeners={"bench": (bench_wan.ENTRY, "bench")}) as near, \
            Gateway(build, topology, "b", work, services={"bench": bench_wan.EXIT}) as far:
        near.wait_ready()
        far.wait_ready()
        reporter.step(f"{arguments.gib:g} GiB over {spec.text()}")
        result = transfer(build, topology, work, bench_wan.EXIT, bench_wan.ENTRY, size_bytes=size_bytes,
                          grace_s=10 * expected_s + 60)
        rss = {gateway.name: gateway.process.peak_rss_bytes for gateway in (near, far)}
        cpu_s = {gateway.name: round(gateway.process.cpu_s(), 2) for gateway in (near, far)}
        for gateway in (near, far):
            gateway.process.require_alive()
    fraction = result.goodput_mbps() / spec.rate_mbps
    good = result.intact and result.total_bytes == size_bytes and max(rss.values()) < RSS_BYTES_MAX
    reporter.line()
    reporter.line(f"  {'good' if good else 'NOT GOOD'}: {result.total_bytes} bytes in {result.drained_s:.1f} s, "
                  f"{result.goodput_mbps():.0f} Mb/s, {fraction:.3f} of the link, "
                  f"{'intact' if result.intact else 'DAMAGED OR CUT SHORT'}")
    for name in rss:
        reporter.line(f"  {name}: peak resident {rss[name] >> 20} MiB, CPU {cpu_s[name]:.1f} s")
    return {"link": dataclasses.asdict(spec), "bytes": result.total_bytes, "seconds": round(result.drained_s, 2),
            "goodput_mbps": round(result.goodput_mbps(), 1), "fraction": round(fraction, 4), "intact": result.intact,
            "gateway_peak_rss_bytes": rss, "gateway_cpu_s": cpu_s, "good": good}
