# SPDX-License-Identifier: Apache-2.0
"""Somebody who sees and can send packets in site a's name, but has no keys: nothing is accepted, nothing grows, and the
link and what runs over it go on."""
import collections
import contextlib
import pathlib
import random
import socket
import time

from lab.capture import Capture
from lab.forge import (COOKIE, DATA, HANDSHAKE, HEADER_BYTES, INITIATOR, KINDS, KNOCK, RESPONDER, TAG_BYTES, Flood, Forger,
                       handshake, hello, of_type, payload_of, play, read_pcap)
from lab.link import LinkSpec
from lab.sites import GATEWAY_ADDRESS, WAN_INTERFACE, port
from labtest import eventually, expect
from test_path_mtu import Transfer
from test_trust import ENTRY, EXIT, expect_let_in, pair, peer

QUIET = LinkSpec(rate_mbps=200, rtt_ms=4, loss=0)
RSS_GROWTH_MAX = 1 << 20
REPLAYED = ("duplicate", "too_old")


@contextlib.contextmanager
def captured(lab, site, name):
    """What that site's gateway gives to the link; the list is filled at the end."""
    path = pathlib.Path(lab.work) / f"{name}.pcap"
    frames = []
    with Capture(lab.sites.wide_area, port(site), path, lab.work) as capture:
        yield frames
    expect(capture.missed == 0, f"{capture.missed} packets are not in the capture")
    frames += [frame for frame in read_pcap(path) if payload_of(frame)]


def recorded_pair(lab):
    """(near, far, what of near's arrived, what far sent): linked, and a mebibyte has crossed."""
    lab.topology(QUIET)
    path = pathlib.Path(lab.work) / "session.pcap"
    # What the link loses would be news to site b.
    with Capture(lab.sites.namespace["b"], WAN_INTERFACE, path, lab.work) as capture:
        near, far = pair(lab)
        expect_let_in(near, far)
        with Transfer(lab, 1):
            pass
        expect(far.wait_migration_end()["state"] == "completed", far.migrations())
    expect(capture.missed == 0, f"{capture.missed} packets are not in the capture")
    by_source = collections.defaultdict(list)
    for frame in read_pcap(path):
        if payload_of(frame):
            by_source[socket.inet_ntoa(frame[26:30])].append(frame)
    sent, answered = by_source[GATEWAY_ADDRESS["a"]], by_source[GATEWAY_ADDRESS["b"]]
    expect(of_type(sent, DATA) and of_type(sent, HANDSHAKE), f"a whole session is recorded: {len(sent)} packets")
    return near, far, sent, answered


def drops(lab, gateway):
    """But for neighbours' talk, which is not ours."""
    return collections.Counter({name: count for name, count in lab.ctl(gateway, "drops")["drops"].items() if name != "inet_unasked"})


def standing(gateway):
    """What nobody but the peer may change."""
    link = peer(gateway)
    names = ("state", "session_id", "handshakes", "rekeys", "epoch")
    return {name: link[name] for name in names} | {
        "migrations": [(each["id"], each["state"], each["raw_bytes_in"], each["raw_bytes_out"], each["frames_rx"])
                       for each in gateway.migrations()]}


def expect_dropped(lab, gateway, payloads, reasons, what):
    """Sent to site b, every one of them is dropped for one of these reasons, and nothing for another."""
    before = drops(lab, gateway)
    play(lab.build, lab.sites, lab.work, payloads)

    def counted():
        return sum((drops(lab, gateway) - before)[reason] for reason in reasons)

    try:
        eventually(lambda: counted() >= len(payloads), what, 5)
    except AssertionError:
        raise AssertionError(f"{what}: of {len(payloads)} dropped: {drops(lab, gateway) - before}") from None
    more = drops(lab, gateway) - before
    expect(counted() == len(payloads) and not set(more) - set(reasons), f"{what}: {len(payloads)} sent, dropped: {more}")


def expect_alive(lab, *gateways):
    with Transfer(lab, 1):
        pass
    for gateway in gateways:
        gateway.process.require_alive()


def test_a_recorded_session_is_played_back(lab):
    near, far, sent, answered = recorded_pair(lab)
    before = standing(far)
    expect_dropped(lab, far, of_type(sent, DATA), REPLAYED, "while the session runs")
    to_b = Forger.from_frame(sent[0])
    expect_dropped(lab, far, [to_b.frame(payload_of(frame)) for frame in of_type(answered, DATA)], ("wrong_session",),
                   "its own packets, sent back to it")
    play(lab.build, lab.sites, lab.work, of_type(sent, HANDSHAKE))
    time.sleep(0.5)
    expect(standing(far) == before, f"{before} became {standing(far)}")
    with Transfer(lab, 8) as transfer:
        eventually(lambda: transfer.received() > 1 << 20, "another one runs")
        play(lab.build, lab.sites, lab.work, sent)

    near.stop()
    far.stop()
    near, far = pair(lab)
    expect_let_in(near, far)
    before = standing(far)
    expect_dropped(lab, far, of_type(sent, DATA), ("wrong_session",), "in the next session")
    initiators = [frame for frame in sent if payload_of(frame)[:2] == bytes([HANDSHAKE, INITIATOR])]
    expect_dropped(lab, far, initiators, ("bad_cookie",), "the handshake of the last one")
    play(lab.build, lab.sites, lab.work, of_type(sent, HANDSHAKE))
    time.sleep(0.5)
    expect(standing(far) == before and before["migrations"] == [], f"{before} became {standing(far)}")
    expect_alive(lab, near, far)


def flipped(payload, bits):
    changed = bytearray(payload)
    for bit in bits:
        changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


def each_bit(payload, begin_byte, end_byte):
    return [flipped(payload, [bit]) for bit in range(8 * begin_byte, 8 * end_byte)]


def test_every_field_is_covered_by_the_seal_or_checked(lab):
    """Of packets that site b has not seen, since the link loses them: with one bit turned they are dropped, as they are
    they pass, and not twice."""
    lab.topology(QUIET)
    near, far = pair(lab)
    expect_let_in(near, far)
    with lab.listen(EXIT) as listener:
        client = lab.connect(ENTRY)
        client.sendall(b"x" * 200_000)
        server, _ = listener.accept()
    server.settimeout(10)
    got = len(server.recv(1 << 20))
    while got < 200_000:
        got += len(server.recv(1 << 20))
    lab.link.set("loss", 1)
    time.sleep(0.1)
    with captured(lab, "a", "unseen") as unseen:
        client.sendall(random.Random(8).randbytes(100_000))
        time.sleep(0.1)
    fresh = max((frame for frame in of_type(unseen, DATA) if len(frame) < 1514), key=len)  # one more byte is to fit
    payload = payload_of(fresh)
    expect(len(payload) > 100, f"one with data: {len(payload)} bytes of {len(unseen)} packets")
    before = standing(far)
    seal = ("bad_seal",)
    groups = {
        "version": (each_bit(payload, 0, 1)[:4], ("wrong_version",)),
        "type": (each_bit(payload, 0, 1)[4:], ("unknown_type",)),
        "data as a handshake": ([bytes([HANDSHAKE]) + payload[1:]], ("bad_handshake", "oversized")),
        "epoch": (each_bit(payload, 1, 2)[:2], ("wrong_epoch",)),
        # Another stream has numbers of its own, which may have been seen.
        "stream": (each_bit(payload, 1, 2)[2:], ("bad_seal", "wrong_stream", *REPLAYED)),
        "session": (each_bit(payload, 2, 6), ("wrong_session",)),
        "number": (each_bit(payload, 6, 10), ("bad_seal", *REPLAYED)),
        "first chunk": (each_bit(payload, HEADER_BYTES, HEADER_BYTES + 32), seal),
        "last chunk": (each_bit(payload, len(payload) - TAG_BYTES - 8, len(payload) - TAG_BYTES), seal),
        "tag": (each_bit(payload, len(payload) - TAG_BYTES, len(payload)), seal),
        "length": ([payload[:-1], payload + b"\0", payload[:HEADER_BYTES + TAG_BYTES]], seal),
        "cut": ([payload[:HEADER_BYTES + TAG_BYTES - 1], payload[:1]], ("truncated",)),
    }
    forger = Forger.from_frame(fresh)
    for name, (payloads, reasons) in groups.items():
        expect_dropped(lab, far, [forger.frame(each) for each in payloads], reasons, name)
    expect(standing(far) == before, f"{before} became {standing(far)}")
    packets, dropped = peer(far)["packets_rx"], drops(lab, far)
    play(lab.build, lab.sites, lab.work, [fresh])
    eventually(lambda: peer(far)["packets_rx"] == packets + 1, "as it was sent it is accepted", 5)
    expect(drops(lab, far) == dropped, f"and not dropped: {drops(lab, far) - dropped}")
    expect_dropped(lab, far, [fresh] * 3, ("duplicate",), "but not again")
    lab.link.set("loss", 0)
    while got < 300_000:
        got += len(server.recv(1 << 20))
    client.close()
    server.close()


def test_a_stream_outlives_every_kind_of_flood(lab):
    near, far, sent, _ = recorded_pair(lab)
    forger, session = Forger.from_frame(sent[0]), int(peer(far)["session_id"], 16)
    mixed = [frame for kind in KINDS for frame in forger.junk(kind, session, count=400)]
    random.Random(6).shuffle(mixed)
    before, link = drops(lab, far), standing(far)
    with Transfer(lab, 60) as transfer:
        eventually(lambda: transfer.received() > 4 << 20, "it runs")
        rss = far.process.rss_bytes()
        with Flood(lab.build, lab.sites, lab.work, mixed, rate=50_000) as flood:
            time.sleep(2)
            expect(transfer.received() < 60 << 20, "the flood ended before it did")
        grown = far.process.rss_bytes() - rss
    expect(grown < RSS_GROWTH_MAX, f"memory stays flat: {grown} bytes more")
    more = eventually(lambda: drops(lab, far) - before, "junk is counted")
    for reason in set(KINDS.values()) - {None}:
        expect(more[reason] > flood.sent["packets"] / 20, f"{reason}: {more}, sent {flood.sent}")
    now = standing(far)
    expect(now["migrations"][-1][1:] != link["migrations"][-1][1:] and len(now["migrations"]) == 2, now)
    for name in ("state", "session_id", "handshakes", "rekeys"):
        expect(now[name] == link[name], f"{name}: {now}")
    expect(far.wait_migration_end()["digest_verified"] == "match", far.migrations())
    expect(peer(far)["forgeries"] > 1000, peer(far))


def tx_bytes(lab):
    path = f"/sys/class/net/{WAN_INTERFACE}/statistics/tx_bytes"
    return int(lab.sites.run("b", ["cat", path]))


def test_handshake_floods_take_no_memory_and_give_no_amplification(lab):
    near, far, sent, _ = recorded_pair(lab)
    forger, link = Forger.from_frame(sent[0]), standing(far)
    cookie, parts = hello(sent)
    dice = random.Random(9)

    cheap = forger.junk("ask", count=1000) + forger.junk("bad_cookie", count=1000)
    before, cpu_s = tx_bytes(lab), far.process.cpu_s()
    with Flood(lab.build, lab.sites, lab.work, cheap, rate=20_000) as flood:
        time.sleep(2)
    time.sleep(0.2)
    back = tx_bytes(lab) - before
    # The link's own pings are among them.
    expect(flood.sent["bytes"] / 2 < back < flood.sent["bytes"] + 5000, f"{back} bytes went out for {flood.sent}")

    # With a cookie, which only who sees site a's packets has: each begins another handshake, with a hello that is right.
    held = [forger.frame(handshake(INITIATOR, dice.getrandbits(64), cookie, data, offset)) for _ in range(500)
            for offset, data in parts]
    held += [forger.frame(handshake(kind, dice.getrandbits(64), cookie, b"?" * size)) for _ in range(100)
             for kind, size in ((COOKIE, 0), (RESPONDER, 100), (INITIATOR, 1100))]
    held += [forger.frame(handshake(KNOCK, 0))] * 100
    dice.shuffle(held)
    with Flood(lab.build, lab.sites, lab.work, cheap + held, rate=20_000) as flood:
        time.sleep(2)
        rss = far.process.rss_bytes()
        time.sleep(8)
        grown = far.process.rss_bytes() - rss
    expect(grown < RSS_GROWTH_MAX, f"memory stays flat: {grown} bytes more after {flood.sent}")
    expect(peer(far)["handshakes_failed"] > 20, f"it was worked on: {peer(far)}")
    now = standing(far)
    expect(now["rekeys"] - link["rekeys"] <= 3, f"a knock a handshake, and one in five seconds: {now}")
    for name in ("state", "session_id", "migrations"):
        expect(now[name] == link[name], f"{link} became {now}")
    expect_alive(lab, near, far)


def test_a_handshake_that_is_never_finished(lab):
    """Beside a link that is up it changes nothing, stands in the way of nothing, and is gone after ten seconds."""
    near, far, sent, _ = recorded_pair(lab)
    cookie, parts = hello(sent)
    link, failed, began = standing(far), peer(far)["handshakes_failed"], time.monotonic()
    forger = Forger.from_frame(sent[0])
    with captured(lab, "b", "flight") as answers:
        play(lab.build, lab.sites, lab.work, [forger.frame(handshake(INITIATOR, 4711, cookie, data, offset)) for offset, data in parts])
        time.sleep(1)
    flights = [frame for frame in answers if payload_of(frame)[:2] == bytes([HANDSHAKE, RESPONDER])]
    expect(flights, "it was answered")
    expect_alive(lab, near, far)
    expect({**standing(far), "migrations": 0} == {**link, "migrations": 0}, f"{link} became {standing(far)}")
    expect(peer(far)["handshakes_failed"] == failed, "it is still open")
    eventually(lambda: peer(far)["handshakes_failed"] == failed + 1, "it is given up", 12)
    expect(9 < time.monotonic() - began < 12, f"after {time.monotonic() - began:.1f} s")
    expect({**standing(far), "migrations": 0} == {**link, "migrations": 0}, f"{link} became {standing(far)}")

    play(lab.build, lab.sites, lab.work, [forger.frame(handshake(INITIATOR, 4712, cookie, data, offset)) for offset, data in parts])
    lab.ctl(near, "reload")
    eventually(lambda: peer(far)["rekeys"] == link["rekeys"] + 1, "the peer's own handshake takes the place of a begun one", 5)
    expect_alive(lab, near, far)
