# SPDX-License-Identifier: Apache-2.0
"""QEMU's own migration over the same link, mode by mode, each with a guest restored from one saved state."""
import contextlib

from lab import LabError, migrate, verify
from lab.report import megabytes, table

CONGESTION_CONTROLS = ("cubic", "bbr")
CAP_S = 60
HEAD = ("way", "total", "pause", "heartbeat gap", "from QEMU", "on the wire")


def run(lab, reporter, modes=migrate.MODES, congestion_controls=CONGESTION_CONTROLS, cap_s=CAP_S):
    """Returns one dict a row."""
    state = lab.work / "guest.state"
    reporter.step("comparison: loading one guest and saving it, the start of every row")
    lab.save_guest(state)
    rows = []
    for congestion_control in congestion_controls:
        for mode in modes:
            name = f"QEMU {mode}, {congestion_control}"
            rows.append(_one(lab, reporter, state, name, mode, congestion_control, cap_s))
    return rows


def _one(lab, reporter, state, name, mode, congestion_control, cap_s):
    with contextlib.ExitStack() as guests:
        target = guests.enter_context(lab.target())
        source = guests.enter_context(lab.restored_source(state))
        verify.wait_ticking(source, 2)

        def watch(progress):
            reporter.progress(f"{name}: {progress.elapsed_s:.0f} of {cap_s:g} s, "
                              f"{megabytes(progress.wire_bytes)} sent, {megabytes(progress.remaining_bytes)} to go")

        outcome = lab.migrate_alone(source, target, mode, congestion_control, cap_s, watch)
        gap_ms = None
        if outcome.converged:
            if not verify.wait_ticking(target, 2):
                raise LabError(f"{name}: the guest is silent after its migration")
            gap_ms = verify.heartbeat_pause_ms(source, target, outcome)
    row = row_of(name, outcome, gap_ms)
    reporter.step(f"{name}: " + (f"{outcome.total_s:.1f} s" if outcome.converged else outcome.reason))
    return row


def row_of(name, outcome, gap_ms):
    return {"way": name, "converged": outcome.converged, "reason": outcome.reason, "total_s": round(outcome.total_s, 2),
            "pause_ms": _rounded(outcome.pause_ms), "heartbeat_gap_ms": _rounded(gap_ms),
            "raw_bytes": outcome.raw_bytes, "wire_bytes": outcome.wire_bytes}


def lines(rows):
    """The table; a row that did not converge says so and shows what it had sent by then."""
    shown = []
    for row in rows:
        if row["converged"]:
            shown.append((row["way"], f"{row['total_s']:.1f} s", f"{row['pause_ms']} ms",
                          f"{row['heartbeat_gap_ms']} ms", megabytes(row["raw_bytes"]), megabytes(row["wire_bytes"])))
        else:
            shown.append((row["way"], row["reason"], "-", "-", megabytes(row["raw_bytes"]),
                          megabytes(row["wire_bytes"])))
    return table(HEAD, shown)


def _rounded(value):
    return None if value is None else round(value)
