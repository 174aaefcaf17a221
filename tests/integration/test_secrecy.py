# SPDX-License-Identifier: Apache-2.0
"""What crosses the wide area can not be read: a real guest's memory, searched for in a capture of its migration."""
import pathlib

from lab import migrate, verify
from lab.capture import Capture, occurrences
from lab.sites import port
from labtest import expect
from test_migration import ENTRY, EXIT, pair

# In every record that the guest's Redis holds, 20 000 times; never alone in what the gateways themselves would send.
PLANTED = (b'@example.net","key":"', b'"tags":["')
# Nothing is compressed, so that only encryption can hide it.
RAW = '\n[codec]\nlevel = "none"\nadapter = "off"\n'


def test_a_capture_of_the_wide_area_shows_no_guest_memory(lab):
    (near, far), source, target = pair(lab, extra=RAW)
    wide, local = pathlib.Path(lab.work) / "wide.pcap", pathlib.Path(lab.work) / "local.pcap"
    with Capture(lab.sites.wide_area, port("a"), wide, lab.work) as outside, \
            Capture(lab.sites.namespace["a"], "lo", local, lab.work):
        outcome = migrate.run(source, target, lab.link, ENTRY, EXIT, cap_s=90)
        expect(outcome.converged, outcome.reason)
        expect(verify.wait_ticking(target, 2), "the guest ticks at the target")
    end = near.wait_migration_end()
    expect(end["digest_verified"] == "match", end)
    expect(outside.missed == 0, f"{outside.missed} packets are not in the capture")
    expect(wide.stat().st_size > end["raw_bytes_in"], f"all of {end['raw_bytes_in']} bytes crossed raw: {wide.stat().st_size}")
    for text in PLANTED:
        # The hypervisor's own stream, before it reaches the gateway: there it can be found.
        expect(occurrences(local, text) > 1000, f"{text} is in the stream: {occurrences(local, text)}")
        expect(occurrences(wide, text) == 0, f"{text} is on the wire: {occurrences(wide, text)} times")
