# SPDX-License-Identifier: Apache-2.0
"""Packets nobody should send: dropped, counted by reason, and nothing else happens."""
import random
import socket
import threading

from lab import enter
from lab.sites import GATEWAY_ADDRESS
from labtest import eventually, expect

ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"
UDP_PORT = 7717
EACH = 20
# What dataplane/wire/packet.h gives: type byte (version 3 above, type below), stream, session, number.
DATA, HANDSHAKE = 0x31, 0x32
JUNK = {
    "truncated": bytes([DATA, 0, 1]),
    "wrong_version": bytes([0x71]) + bytes(60),
    "wrong_session": bytes([DATA, 0]) + b"\xde\xad\xbe\xef" + bytes(60),
    "unknown_type": bytes([0x3f]) + bytes(60),
    "bad_handshake": bytes([HANDSHAKE, 1, 0xff, 0xff]) + bytes(60),
    "unknown_peer": bytes([HANDSHAKE, 1]) + bytes(34),
}


def drops(lab, gateway):
    return lab.ctl(gateway, "drops")["drops"]


def send_junk(lab, datagrams):
    junk = enter.make_socket(lab.sites.namespace["a"], kind=socket.SOCK_DGRAM)
    with junk:
        for datagram in datagrams:
            junk.sendto(datagram, (GATEWAY_ADDRESS["b"], UDP_PORT))


def total(counters, reason):
    return sum(count for name, count in counters.items() if name.endswith(reason) and isinstance(count, int))


def test_each_kind_is_counted_by_its_reason(lab):
    _, far = lab.gateways()
    for reason, datagram in JUNK.items():
        before = total(drops(lab, far), reason)
        send_junk(lab, [datagram] * EACH)
        # The link may lose some.
        eventually(lambda: total(drops(lab, far), reason) >= before + EACH // 2, f"{reason} is counted", 5)


def test_oversized_and_fragmented_are_counted(lab):
    _, far = lab.gateways()
    before = drops(lab, far)
    send_junk(lab, [bytes([DATA]) + bytes(8000)] * EACH)

    def counted():
        now = drops(lab, far)
        return sum(total(now, reason) - total(before, reason) for reason in reasons) >= EACH // 2

    # DPDK's af_packet driver asks the kernel to put fragments together (PACKET_FANOUT_FLAG_DEFRAG) and then cuts what
    # exceeds its ring's frames, so over this port they arrive as one truncated packet.
    reasons = ("oversized", "fragment", "inet_truncated")
    eventually(counted, "oversized, fragment or truncated is counted", 5)


def test_a_transfer_goes_on_under_a_flood_of_junk(lab):
    near, far = lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT})
    listener = lab.listen(EXIT)
    sent = random.Random(3).randbytes(16 << 20)
    stop = threading.Event()

    def flood():
        dice = random.Random(4)
        while not stop.wait(0.002):
            send_junk(lab, [dice.randbytes(dice.randrange(0, 1472)) for _ in range(4)] + list(JUNK.values()))

    flooder = threading.Thread(target=flood)
    flooder.start()
    try:
        client = lab.connect(ENTRY)
        sender = threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR)))
        sender.start()
        server, _ = listener.accept()
        server.settimeout(60)
        parts = []
        while part := server.recv(1 << 16):
            parts.append(part)
        sender.join()
        server.close()
    finally:
        stop.set()
        flooder.join()
    expect(b"".join(parts) == sent, "the transfer is whole")
    for gateway in (near, far):
        gateway.process.require_alive()
        expect(gateway.wait_migration_end()["digest_verified"] == "match", gateway.migrations())
    expect(sum(count for count in drops(lab, far).values() if isinstance(count, int)) > 0, "junk was counted")
