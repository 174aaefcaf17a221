# SPDX-License-Identifier: Apache-2.0
"""A stream that is not QEMU's goes through as it is: both directions, half-close, reset, refusal."""
import random
import socket
import struct
import threading

from labtest import eventually, expect

ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"
FORTH_BYTES = 8 << 20
BACK_BYTES = 3 << 20


def receive_all(connection):
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def cross_both_ways(lab, entry, exit_, **options):
    """Bytes both ways at once; the near end closes its sending half first, and still gets the rest of the answer."""
    near, far = lab.gateways(listeners={"in": (entry, "vm")}, services={"vm": exit_}, **options)
    listener = lab.listen(exit_)
    forth = random.Random(1).randbytes(FORTH_BYTES)
    back = random.Random(2).randbytes(BACK_BYTES)
    client = lab.connect(entry)
    sender = threading.Thread(target=lambda: (client.sendall(forth), client.shutdown(socket.SHUT_WR)))
    sender.start()
    server, _ = listener.accept()
    server.settimeout(30)
    server.sendall(back[:BACK_BYTES // 2])
    expect(receive_all(server) == forth, "what came out at the far side is what went in")
    server.sendall(back[BACK_BYTES // 2:])
    server.close()
    client.settimeout(30)
    expect(receive_all(client) == back, "the way back, also after the half-close")
    sender.join()
    for gateway in (near, far):
        end = gateway.wait_migration_end()
        expect(end["state"] == "completed", end)
        expect(end["digest_verified"] == "match", end)
        expect(end["pause_ms"] == -1, f"no guest in it, so no pause is known: {end}")
    mine = lab.ctl(near, "migrations")["migrations"][-1]
    expect(mine["raw_bytes_in"] == FORTH_BYTES and mine["raw_bytes_out"] == BACK_BYTES, mine)


def test_over_ipv6_both_ways(lab):
    cross_both_ways(lab, ENTRY, EXIT, ipv6=True)


def test_in_a_vlan_both_ways(lab):
    cross_both_ways(lab, ENTRY, EXIT, vlan=42)


def test_tcp_both_ways_with_half_close(lab):
    cross_both_ways(lab, ENTRY, EXIT)


def test_unix_both_ways_with_half_close(lab):
    cross_both_ways(lab, f"unix:{lab.work}/in", f"unix:{lab.work}/out")


def test_empty_stream_ends_in_order(lab):
    near, _ = lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT})
    listener = lab.listen(EXIT)
    client = lab.connect(ENTRY)
    client.shutdown(socket.SHUT_WR)
    server, _ = listener.accept()
    server.settimeout(10)
    expect(server.recv(1) == b"", "end of stream at the far side")
    server.close()
    expect(client.recv(1) == b"", "end of stream at the near side")
    expect(near.wait_migration_end()["state"] == "completed", near.migrations())


def test_several_streams_at_once_do_not_mix(lab):
    lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT})
    listener = lab.listen(EXIT)
    sent = [bytes([number]) * (1 << 20) for number in range(8)]

    def send(text):
        client = lab.connect(ENTRY)
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)

    threads = [threading.Thread(target=send, args=(text,)) for text in sent]
    for thread in threads:
        thread.start()
    got = []
    servers = [listener.accept()[0] for _ in sent]
    for server in servers:
        server.settimeout(30)
        got.append(receive_all(server))
        server.close()
    for thread in threads:
        thread.join()
    expect(sorted(got) == sorted(sent), "each stream came out whole and unmixed")


def test_far_reset_is_passed_on(lab):
    near, _ = lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT})
    listener = lab.listen(EXIT)
    client = lab.connect(ENTRY)
    client.sendall(b"x" * 100_000)
    server, _ = listener.accept()
    server.recv(1000)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    expect(ends_within(client, 5), "the near hypervisor's connection ends")
    end = near.wait_migration_end()
    expect(end["state"] == "failed" and "hypervisor" in end["reason"], end)


def test_far_hypervisor_not_listening_closes_the_near_one_with_the_reason(lab):
    near, _ = lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT})
    client = lab.connect(ENTRY)
    expect(ends_within(client, 3), "closed at once")
    eventually(lambda: lab.ctl(near, "migrations")["migrations"], "the migration is listed")
    end = near.wait_migration_end()
    mine = lab.ctl(near, "migrations")["migrations"][-1]
    expect(mine["state"] == "failed" and "refuse" in mine["reason"], mine)
    expect(mine["reason"] in near.process.log_path.read_text(), f"the log says it too: {end['reason']}")


def test_unknown_service_closes_the_near_one_with_the_reason(lab):
    near, _ = lab.gateways(listeners={"in": (ENTRY, "nothing")}, services={"vm": EXIT})
    client = lab.connect(ENTRY)
    expect(ends_within(client, 3), "closed at once")
    end = near.wait_migration_end()
    expect(end["state"] == "failed" and "service" in end["reason"], end)


def ends_within(connection, limit_s):
    connection.settimeout(limit_s)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False
