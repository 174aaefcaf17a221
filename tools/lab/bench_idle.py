# SPDX-License-Identifier: Apache-2.0
"""What two linked gateways with nothing to do cost: CPU (under 5 % of a core each) and resident memory."""
import time

from lab import link, sites
from lab.gateway import Gateway
from lab.workspace import Workspace

TOOLS = ("dwcp-gateway", "dwcp-wan")
CPU_SHARE_MAX = 0.05
_SETTLE_S = 3


def add_arguments(parser):
    parser.add_argument("--seconds", type=float, default=20, metavar="S", help="measured over (default %(default)s)")


def run(arguments, build, reporter):
    spec = link.LinkSpec(rate_mbps=1000, rtt_ms=50, loss=0)
    with Workspace(arguments.keep_logs, "idle") as work, sites.Sites() as topology, \
            link.Link(build, topology, spec, work) as wan, \
            Gateway(build, topology, "a", work) as near, Gateway(build, topology, "b", work) as far:
        near.wait_ready()
        far.wait_ready()
        time.sleep(_SETTLE_S)
        processes = (near.process, far.process, wan.process)
        before_s = [process.cpu_s() for process in processes]
        begun_s = time.monotonic()
        reporter.step(f"idle for {arguments.seconds:g} s")
        time.sleep(arguments.seconds)
        over_s = time.monotonic() - begun_s
        shares = {process.name: round((process.cpu_s() - before) / over_s, 4)
                  for process, before in zip(processes, before_s)}
        for process in processes:
            process.require_alive()
        rss = {process.name: process.peak_rss_bytes for process in processes}
    good = all(share < CPU_SHARE_MAX for name, share in shares.items() if name.startswith("gateway"))
    reporter.line()
    for name, share in shares.items():
        reporter.line(f"  {name}: {share * 100:.1f} % of a core, {rss[name] >> 20} MiB resident")
    return {"seconds": arguments.seconds, "cpu_share": shares, "peak_rss_bytes": rss, "good": good}
