# SPDX-License-Identifier: Apache-2.0
"""One measured transfer of random bytes from site a to site b, by dwcp-bench at both ends."""
import dataclasses
import json
import pathlib

from lab import LabError
from lab.process import Process


@dataclasses.dataclass
class Transfer:
    seconds: float          # the time measured over
    window_bytes: int       # at the far side within it, from the sender's first moment on
    total_bytes: int        # at the far side when all was drained
    drained_s: float        # from the sender's first moment to the last byte
    intact: bool
    per_second_bytes: list

    def goodput_mbps(self):
        return self.window_bytes * 8 / self.seconds / 1e6


def transfer(build, sites, work, listen, connect, seconds=None, size_bytes=None, flows=1, congestion="", seed=1,
             grace_s=120, during=None):
    """listen: where the sink listens in site b; connect: where the source connects in site a.  With seconds, goodput is
    of what had arrived when they were over; with size_bytes, of the whole.  during() is called while it runs."""
    bench = build.tool("dwcp-bench")
    work = pathlib.Path(work)
    limit = ["--seconds", f"{seconds:g}"] if seconds else ["--bytes", size_bytes]
    sink_argv = [bench, "sink", "--listen", listen, "--flows", flows, "--seed", seed]
    source_argv = [bench, "source", "--connect", connect, "--flows", flows, "--seed", seed, *limit]
    if congestion:
        source_argv += ["--congestion", congestion]
    with Process("dwcp-bench sink", sink_argv, work / "sink.log", sites.namespace["b"]) as sink:
        sink.wait_until(lambda: "listening" in sink.log_path.read_text(), 10, "its start")
        with Process("dwcp-bench source", source_argv, work / "source.log", sites.namespace["a"]) as source:
            if during:
                during(source)
            source.wait((seconds or 0) + grace_s)
            sink.wait(10)
    return _evaluate(_last_json(source), _last_json(sink), seconds)


def _last_json(process):
    lines = process.log_path.read_text().strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        raise LabError(f"{process.name} gave no result: {process.log_tail()}") from None


def _evaluate(source, sink, seconds):
    began_ns = source["began_ns"]
    drained_s = (sink["ended_ns"] - began_ns) / 1e9
    samples = [(0.0, 0)] + [((sink["began_ns"] - began_ns + sink["sample_ns"] * (i + 1)) / 1e9, count)
                            for i, count in enumerate(sink["bytes_at"])] + [(drained_s, sink["bytes"])]
    over_s = seconds if seconds else drained_s
    per_second = [_received_by(samples, second + 1) - _received_by(samples, second) for second in range(int(over_s))]
    return Transfer(over_s, _received_by(samples, over_s), sink["bytes"], drained_s,
                    sink["intact"] and sink["bytes"] == source["bytes"], per_second)


def _received_by(samples, at_s):
    """Between two samples, in proportion."""
    before = (0.0, 0)
    for sample in samples:
        if sample[0] >= at_s:
            span_s = sample[0] - before[0]
            share = (at_s - before[0]) / span_s if span_s > 0 else 1
            return int(before[1] + (sample[1] - before[1]) * share)
        before = sample
    return samples[-1][1]
