# SPDX-License-Identifier: Apache-2.0
"""One live migration, watched: by QEMU alone over kernel TCP, or through the gateways.

The pause is taken between the source's STOP and the target's RESUME, by QEMU's own event timestamps on this one host:
query-migrate's figure misses what still sits in socket buffers when the source is done."""
import dataclasses
import time

from lab import LabError

BANDWIDTH_BYTES_PER_S_MAX = 1_250_000_000
DOWNTIME_MS_MAX = 300
XBZRLE_CACHE_BYTES = 512 << 20
MULTIFD_CHANNELS = 4

MODES = ("plain", "xbzrle", "multifd", "multifd+zstd")


@dataclasses.dataclass
class Progress:
    """What a watcher is shown while it runs."""
    elapsed_s: float
    raw_bytes: int
    remaining_bytes: int
    wire_bytes: int
    dirty_bytes_per_s: int
    phase: str


@dataclasses.dataclass
class Outcome:
    """converged is false when the cap was reached; reason then says so, or holds QEMU's error."""
    converged: bool
    reason: str
    total_s: float
    pause_ms: float | None      # STOP to RESUME
    raw_bytes: int              # what the source QEMU wrote into its migration channel
    wire_bytes: int             # from the source's site, framing and retransmissions included
    wire_back_bytes: int        # acknowledgements and the like
    stop_at_s: float | None = None    # monotonic, for the heartbeat
    resume_at_s: float | None = None


def prepare(guest, mode):
    """The same at both ends; before migrate-incoming at the target."""
    capabilities = {"xbzrle": mode == "xbzrle", "multifd": mode.startswith("multifd")}
    guest.qmp.command("migrate-set-capabilities",
                      {"capabilities": [{"capability": name, "state": on} for name, on in capabilities.items()]})
    parameters = {"max-bandwidth": BANDWIDTH_BYTES_PER_S_MAX, "downtime-limit": DOWNTIME_MS_MAX}
    if mode == "xbzrle":
        parameters["xbzrle-cache-size"] = XBZRLE_CACHE_BYTES
    if mode.startswith("multifd"):
        parameters["multifd-channels"] = MULTIFD_CHANNELS
        parameters["multifd-compression"] = "zstd" if mode.endswith("zstd") else "none"
    guest.qmp.command("migrate-set-parameters", parameters)


def run(source, target, link, source_uri, target_uri, mode="plain", cap_s=60, watch=None):
    """Returns an Outcome; the guests stay as they are.  watch(Progress) is called a few times a second."""
    for guest in (source, target):
        prepare(guest, mode)
    target.qmp.command("migrate-incoming", {"uri": target_uri})
    sent_before = link.sent_bytes()
    begun_s = time.monotonic()
    source.qmp.command("migrate", {"uri": source_uri})
    reason = ""
    while True:
        info = source.qmp.command("query-migrate")
        status = info.get("status")
        elapsed_s = time.monotonic() - begun_s
        if watch:
            watch(_progress(info, elapsed_s, link.sent_bytes()["a"] - sent_before["a"]))
        if status in ("completed", "failed", "cancelled"):
            break
        if elapsed_s > cap_s:
            reason = f"did not converge in {cap_s:g} s"
            source.qmp.command("migrate_cancel")
            break
        if target.qmp.closed:
            reason = "the target QEMU ended"
            source.qmp.command("migrate_cancel")
            break
        time.sleep(0.1)
    resume = None
    if status == "completed":
        resume = target.qmp.wait_event("RESUME", max(10.0, cap_s - elapsed_s))
        if resume is None:
            reason = "the target did not resume"
    elif not reason:
        reason = f"migration {status}: {info.get('error-desc', 'no reason given')}"
    ended_s = resume.arrived_s if resume else time.monotonic()
    sent = link.sent_bytes()
    stop = source.qmp.events("STOP")
    stop = stop[-1] if stop else None
    return Outcome(
        converged=resume is not None, reason=reason, total_s=ended_s - begun_s,
        pause_ms=(resume.at_s - stop.at_s) * 1000 if resume and stop else None,
        raw_bytes=_raw_bytes(source.qmp.command("query-migrate"), info), wire_bytes=sent["a"] - sent_before["a"],
        wire_back_bytes=sent["b"] - sent_before["b"],
        stop_at_s=stop.arrived_s if stop else None, resume_at_s=resume.arrived_s if resume else None)


def require(outcome):
    if not outcome.converged:
        raise LabError(outcome.reason)
    return outcome


def _raw_bytes(*infos):
    return max(info.get("ram", {}).get("transferred", 0) for info in infos)


def _progress(info, elapsed_s, wire_bytes):
    ram = info.get("ram", {})
    return Progress(elapsed_s, ram.get("transferred", 0), ram.get("remaining", 0), wire_bytes,
                    ram.get("dirty-pages-rate", 0) * 4096, info.get("status", "none"))


def save(guest, path, cap_s=60):
    """Stops the guest and writes its state to a file."""
    guest.qmp.command("stop")
    guest.qmp.command("migrate-set-parameters", {"max-bandwidth": BANDWIDTH_BYTES_PER_S_MAX})
    guest.qmp.command("migrate", {"uri": f"exec:cat >{path}"})
    _await_end(guest, "save", cap_s)


def restore(guest, path, cap_s=60):
    """Into a guest made with incoming=True; it runs afterwards and can be a source."""
    guest.qmp.command("migrate-incoming", {"uri": f"exec:cat <{path}"})
    _await_end(guest, "restore", cap_s)
    guest.qmp.command("cont")


def _await_end(guest, what, cap_s):
    end = time.monotonic() + cap_s
    while (status := guest.qmp.command("query-migrate").get("status")) != "completed":
        if status == "failed" or time.monotonic() > end:
            raise LabError(f"guest {guest.name}: its state could not be {what}d")
        time.sleep(0.05)
