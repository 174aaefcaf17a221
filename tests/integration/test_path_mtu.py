# SPDX-License-Identifier: Apache-2.0
"""Every stream finds what its path carries: jumbo frames, a tunnel nobody speaks of, routers' reports, forged ones."""
import random
import socket
import struct
import threading

from lab import enter
from lab.link import LinkSpec
from lab.sites import GATEWAY_ADDRESS
from labtest import eventually, expect
from test_host import icmp, raw_socket

ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"
STREAMS = 4
# Scaling would change how many there are while they are being counted.
FIXED = f"[transport]\nstreams_min = {STREAMS}\nstreams_initial = {STREAMS}\nstreams_max = {STREAMS}\n"
SERVICES = {"listeners": {"in": (ENTRY, "vm")}, "services": {"vm": EXIT}, "extra": FIXED}
STEP = 8  # sizes nearer than this are not told apart


class Transfer:
    """Bytes from site a to site b through the gateways, while the with block runs and until all have come."""

    def __init__(self, lab, mebibytes):
        self._lab = lab
        self._bytes = random.Random(5).randbytes(1 << 20) * mebibytes
        self._got = bytearray()

    def __enter__(self):
        with self._lab.listen(EXIT) as listener:
            self._client = self._lab.connect(ENTRY)
            self._server, _ = listener.accept()
        self._server.settimeout(60)
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self._threads:
            thread.join()
        self._server.close()
        self._client.close()
        expect(self._got == self._bytes, f"{len(self._got)} of {len(self._bytes)} bytes came, or others")

    def received(self):
        return len(self._got)

    def _send(self):
        self._client.sendall(self._bytes)
        self._client.shutdown(socket.SHUT_WR)

    def _receive(self):
        while part := self._server.recv(1 << 18):
            self._got += part


def streams(lab, gateway):
    return [stream for stream in lab.ctl(gateway, "streams")["streams"] if stream["state"] == "active"]


def mtus(lab, gateway):
    return [stream["path_mtu_bytes"] for stream in streams(lab, gateway)]


def eventually_all(lab, gateway, fits, what, within_s=20):
    eventually(lambda: (found := mtus(lab, gateway)) and len(found) == STREAMS and all(map(fits, found)), what, within_s)


def carried(mtu):
    return lambda found: mtu - STEP < found <= mtu


def test_jumbo_frames_are_found_and_used(lab):
    near, far = lab.gateways(**SERVICES, mtu=9000, spec=LinkSpec(rate_mbps=500, rtt_ms=20, loss=0))
    for gateway in (near, far):
        eventually_all(lab, gateway, lambda found: found == 9000, f"{gateway.name} sends 9000-byte packets")
    expect(largest_tx(lab, lambda: send(lab, 8)) == 9014, "frames on the wire are of full size")
    peer = lab.ctl(near, "peers")["peers"][0]
    expect(peer["path_mtu_min_bytes"] == peer["path_mtu_max_bytes"] == 9000, peer)
    expect(near.wait_migration_end()["state"] == "completed", near.migrations())


def test_jumbo_ports_on_a_1500_byte_path(lab):
    near, _ = lab.gateways(**SERVICES, mtu=9000, spec=LinkSpec(rate_mbps=500, rtt_ms=20, loss=0.001, mtu=1500))
    send(lab, 32)
    eventually(lambda: sum(s["path_mtu_state"] == "complete" for s in streams(lab, near)) == STREAMS, "the search ends", 20)
    expect(mtus(lab, near) == [1500] * STREAMS, streams(lab, near))
    expect(all(s["mtu_black_holes"] == 0 for s in streams(lab, near)), "data never went at more than arrives")
    peer = lab.ctl(near, "peers")["peers"][0]
    expect(2 * peer["packets_retransmitted"] >= peer["packets_lost"] > 0, f"repairs are counted in packets of 1500 bytes: {peer}")
    expect(near.wait_migration_end()["digest_verified"] == "match", near.migrations())


def test_a_silent_1400_byte_black_hole_is_survived(lab):
    near, _ = lab.gateways(**SERVICES, spec=LinkSpec(rate_mbps=100, rtt_ms=20, loss=0.001))
    with Transfer(lab, 40) as transfer:
        eventually(lambda: transfer.received() > 4 << 20, "the transfer runs", 20)
        eventually_all(lab, near, lambda found: found == 1500, "all streams are active")
        lab.link.set("mtu", 1400)
        before = transfer.received()
        eventually(lambda: transfer.received() > before + (4 << 20), "and goes on in the black hole", 5)
    eventually_all(lab, near, carried(1400), "every stream knows its path")
    found = streams(lab, near)
    expect(all(s["mtu_black_holes"] >= 1 for s in found), found)
    expect(all(s["path"] == 0 for s in found), f"no path was taken for dead: {found}")
    end = near.wait_migration_end()
    expect(end["state"] == "completed" and end["digest_verified"] == "match", end)


def test_a_1400_byte_tunnel_from_the_start(lab):
    near, _ = lab.gateways(**SERVICES, spec=LinkSpec(rate_mbps=200, rtt_ms=20, loss=0.001, mtu=1400))
    send(lab, 8)
    eventually_all(lab, near, carried(1400), "every stream knows its path")
    expect(near.wait_migration_end()["digest_verified"] == "match", near.migrations())


def heeds_reports(lab, **options):
    near, _ = lab.gateways(**SERVICES, **options,
                           spec=LinkSpec(rate_mbps=200, rtt_ms=20, loss=0, mtu=1400, mtu_report=True))
    send(lab, 4)
    eventually_all(lab, near, lambda found: found == 1400, "every stream has the size that was reported")
    found = streams(lab, near)
    # A stream in full flow may notice by itself before the first report is back.
    expect(all(s["mtu_reports"] >= 1 for s in found), found)
    expect(lab.link.stop()["ab"]["too_big_reports"] > 0, "the emulator answered")


def test_routers_reports_are_heeded(lab):
    heeds_reports(lab)


def test_routers_reports_are_heeded_over_ipv6(lab):
    heeds_reports(lab, ipv6=True)


def test_forged_reports_are_not_believed(lab):
    """Packets at 1400 bytes for a round trip, until a probe of full size has arrived: no more comes of a lie."""
    near, _ = lab.gateways(**SERVICES, spec=LinkSpec(rate_mbps=200, rtt_ms=4, loss=0))

    def untrusted():
        return lab.ctl(near, "drops")["drops"]["inet_untrusted_mtu"]

    def report(source_port, mtu):
        quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, 0, 0x4000, 64, 17, 0,
                             socket.inet_aton(GATEWAY_ADDRESS["a"]), socket.inet_aton(GATEWAY_ADDRESS["b"]))
        quoted += struct.pack("!HHHH", source_port, 7717, 1480, 0)
        before = untrusted()
        with raw_socket(lab, "b") as router:
            router.sendto(icmp(3, 4, struct.pack("!HH", 0, mtu) + quoted), (GATEWAY_ADDRESS["a"], 0))
        return before

    eventually_all(lab, near, lambda found: found == 1500, "all streams are active")
    ports = source_ports(lab, lambda: send(lab, 2))
    expect(len(ports) == STREAMS, f"a port for each stream: {ports}")
    before = report(min(ports), 68)
    eventually(lambda: untrusted() > before, "an impossible MTU is counted and ignored", 5)
    before = report(max(ports) + 1 if max(ports) < 65535 else min(ports) - 1, 1400)
    eventually(lambda: untrusted() > before, "so is one for a port that no stream has", 5)
    for port in ports:
        report(port, 1400)
    eventually(lambda: sum(s["mtu_reports"] for s in streams(lab, near)) == STREAMS, "the reports were heeded", 5)
    eventually_all(lab, near, lambda found: found == 1500, "and refuted")
    expect(largest_tx(lab, lambda: send(lab, 2)) == 1514, "full packets go again")


def send(lab, mebibytes):
    with Transfer(lab, mebibytes):
        pass


def frames(lab, act):
    """Frames of site a's gateway that reach site b while act() runs (what af_packet sends past the queueing discipline
    cannot be seen where it leaves)."""
    with enter.namespace(lab.sites.namespace["b"]):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with tap:
        tap.bind(("wan0", 0x0003))
        tap.settimeout(0.2)
        tap.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        act()
        source = socket.inet_aton(GATEWAY_ADDRESS["a"])
        try:
            while True:
                frame = tap.recv(65536)
                if frame[26:30] == source:
                    yield frame
        except TimeoutError:
            return


def largest_tx(lab, act):
    return max(map(len, frames(lab, act)))


def source_ports(lab, act):
    return {struct.unpack("!H", frame[34:36])[0] for frame in frames(lab, act) if frame[23] == 17 and len(frame) > 1000}
