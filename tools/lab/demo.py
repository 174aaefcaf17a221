# SPDX-License-Identifier: Apache-2.0
"""tools/demo: a real VM crosses an emulated WAN through two gateways, while its Redis is being written.

Exit code 0: migrated and verified.  1: not.  2: wrong usage.  130/143: interrupted."""
import argparse
import contextlib
import json
import pathlib
import sys

from lab import LabError, compare, image, link, signals
from lab.build import Build
from lab.capture import Capture, occurrences
from lab.migration_lab import MigrationLab, verified
from lab.report import Reporter, megabytes
from lab.sites import port
from lab.verify import Check

CAP_S = 120


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__.split("\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    link.add_arguments(parser)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the summary there")
    parser.add_argument("--compare", action="store_true",
                        help="then migrate by QEMU alone over the same link: each mode, over cubic and bbr")
    parser.add_argument("--capture", type=pathlib.Path, metavar="FILE",
                        help="write what crosses between the sites there (pcap), and search it for the guest's records")
    parser.add_argument("--keep-logs", type=pathlib.Path, metavar="DIR", help="copy all logs there")
    arguments = parser.parse_args()
    signals.install()
    reporter = Reporter()
    try:
        summary = demonstrate(arguments, reporter)
    except LabError as error:
        reporter.line()
        print(f"demo: {error}", file=sys.stderr)
        summary = {"verified": False, "error": str(error)}
    except signals.Interrupted as interrupted:
        reporter.line()
        print(f"demo: {interrupted}, cleaned up", file=sys.stderr)
        return interrupted.exit_code
    if arguments.json:
        arguments.json.write_text(json.dumps(summary, indent=2) + "\n")
    return 0 if summary["verified"] else 1


def demonstrate(arguments, reporter):
    spec = link.from_arguments(arguments)
    build = Build()
    reporter.step("building" if (build.folder / "build.ninja").exists() else "building for the first time")
    build.setup("-Dbuildtype=debugoptimized")
    build.compile(tuple(f"tools/{name}/{name}" for name in ("dwcp-gateway", "dwcp-wan", "dwcpctl")))
    reporter.step("guest image: Debian cloud kernel, busybox, redis")
    guest_image = image.provide(build.cache())
    with MigrationLab(build, spec, guest_image, arguments.keep_logs) as lab:
        reporter.step(f"two sites, joined by a link of {spec.text()}")
        summary = _cross(lab, spec, reporter, arguments.capture)
        if arguments.compare:
            row = {key: summary[key] for key in ("total_s", "pause_ms", "raw_bytes", "wire_bytes")}
            row |= {"way": "DWCP gateways", "converged": True, "reason": "", "pause_ms": summary["stop_to_resume_ms"],
                    "heartbeat_gap_ms": summary["pause_ms"]}
            rows = [row, *compare.run(lab, reporter)]
            summary["compare"] = rows
            reporter.line()
            reporter.line(f"The same guest over the same link ({spec.text()}), {compare.CAP_S} s at most for each way:")
            for text in compare.lines(rows):
                reporter.line("  " + text)
    return summary


def _cross(lab, spec, reporter, capture_path=None):
    with contextlib.ExitStack() as stack:
        near, far = stack.enter_context(lab.gateways())
        reporter.step(f"gateways: link up, {_secured(near)}")
        target = stack.enter_context(lab.target())
        source = stack.enter_context(lab.source())
        reporter.step("guest: booting, Redis takes 200 000 records")
        ready = source.wait_ready()
        reporter.step(f"guest: ready, {ready}; rewriting them without end")
        source.console.wait_line("TICK ", 10, source.console.bytes_now())

        def watch(progress):
            drain = progress.wire_bytes * 8 / max(progress.elapsed_s, 0.1) / 1e6
            reporter.progress(f"migrating: {progress.elapsed_s:.1f} s, {megabytes(progress.raw_bytes)} from QEMU, "
                              f"{megabytes(progress.wire_bytes)} on the wire ({drain:.0f} Mb/s), "
                              f"{megabytes(progress.remaining_bytes)} to go, guest ticks")

        capture = capture_path and stack.enter_context(Capture(lab.sites.wide_area, port("a"), capture_path, lab.work))
        reporter.step("migrating while Redis is being written")
        outcome = lab.migrate_through_gateways(source, target, CAP_S, watch)
        if not outcome.converged:
            ended = next(iter(reversed(near.migrations())), {})
            raise LabError(f"the migration failed: {outcome.reason}; gateway: {ended.get('reason') or 'no reason'}")
        reporter.step("the guest runs at the far side; verifying")
        checks, pause_ms = verified(source, target, outcome)
        checks += _digests(near, far)
        if capture:
            capture.stop()
            checks.append(_unreadable(capture))
        for gateway in (near, far):
            gateway.process.require_alive()
        migration = near.wait_migration_end()
    return _summary(spec, outcome, pause_ms, checks, migration, reporter)


def _secured(gateway):
    peer = gateway.query(f"/dwcp/peer,{gateway.query('/dwcp/peers')[0]}")
    return f"{peer['cipher']} by {peer['crypto_device']}, peer {peer['certificate_subject']}"


def _unreadable(capture):
    """Zeros are cut out and the rest is compressed before it is sealed; tests/integration/test_secrecy.py leaves that out."""
    found = sum(occurrences(capture.path, text) for text in (b"@example.net", b'"tags":["'))
    return Check("no record can be read on the wire", found == 0 and capture.missed == 0,
                 f"{found} in {capture.packets} packets, {capture.missed} not captured")


def _digests(near, far):
    """The sender's and the receiver's view of one stream."""
    ends = [gateway.wait_migration_end() for gateway in (near, far)]
    match = all(end["digest_verified"] == "match" and end["state"] == "completed" for end in ends)
    same = ends[0]["raw_bytes_in"] == ends[1]["raw_bytes_out"]
    return [Check("the stream's digests agree", match, " / ".join(end["digest_verified"] for end in ends)),
            Check("every byte came out", same, f"{ends[1]['raw_bytes_out']} of {ends[0]['raw_bytes_in']}")]


def _summary(spec, outcome, pause_ms, checks, migration, reporter):
    good = all(check.good for check in checks)
    raw_bytes = migration["raw_bytes_in"]
    ratio = raw_bytes / outcome.wire_bytes if outcome.wire_bytes else 0
    reporter.line()
    for check in checks:
        reporter.line(f"  {'ok    ' if check.good else 'FAILED'}  {check.what} ({check.detail})")
    reporter.line()
    reporter.line(f"  {'VERIFIED' if good else 'NOT VERIFIED'}: live migration over {spec.text()}")
    for what, value in (("total time", f"{outcome.total_s:.1f} s"),
                        ("pause seen by the guest", f"{pause_ms:.0f} ms (STOP to RESUME {outcome.pause_ms:.0f} ms)"),
                        ("pause seen by gateways", _gateway_pause(migration)),
                        ("bytes from QEMU", megabytes(raw_bytes)),
                        ("bytes on the wire", f"{megabytes(outcome.wire_bytes)}, framing and repairs included"),
                        ("ratio", f"{ratio:.1f} : 1")):
        reporter.line(f"  {what:<24}  {value}")
    return {"verified": good, "total_s": round(outcome.total_s, 3), "pause_ms": round(pause_ms, 1),
            "stop_to_resume_ms": round(outcome.pause_ms),
            "gateway_pause_ms": migration["pause_ms"], "gateway_backlog_ms": migration["pause_backlog_ms"],
            "gateway_path_ms": migration["pause_path_ms"], "gateway_far_ms": migration["pause_far_ms"],
            "raw_bytes": raw_bytes, "wire_bytes": outcome.wire_bytes,
            "wire_back_bytes": outcome.wire_back_bytes, "ratio": round(ratio, 2), "rtt_ms": spec.rtt_ms,
            "rate_mbps": spec.rate_mbps, "loss": spec.loss, "seed": spec.seed,
            "checks": [{"what": check.what, "good": check.good, "detail": check.detail} for check in checks]}


def _gateway_pause(migration):
    """docs/OPERATIONS.md says what is in it."""
    if migration["pause_ms"] < 0:
        return "not known"
    return (f"{migration['pause_ms']} ms (backlog {migration['pause_backlog_ms']}, path {migration['pause_path_ms']}, "
            f"far {migration['pause_far_ms']})")


if __name__ == "__main__":
    sys.exit(main())
