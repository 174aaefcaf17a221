# SPDX-License-Identifier: Apache-2.0
"""Frames that somebody on the way could send: read from a capture, changed, made up, and sent to site b past the link.

    frames = read_pcap(path)
    forger = Forger.from_frame(frames[0])        # addresses of one that site a's gateway sent
    flood(build, sites, work, [forger.frame(payload)], packets=1)
    with Flood(build, sites, work, forger.junk("bad_tag", session), rate=200_000) as running:
        ...
    running.sent["packets"]

What packets hold is in docs/WIRE.md."""
import contextlib
import dataclasses
import json
import pathlib
import random
import struct
import time

from lab import LabError
from lab.process import Process
from lab.sites import port

DATA, HANDSHAKE = 0x31, 0x32
ASK, COOKIE, INITIATOR, RESPONDER, KNOCK = range(1, 6)
HEADER_BYTES, TAG_BYTES, HANDSHAKE_HEADER_BYTES = 10, 16, 36
UDP_PORT = 7717
POOL = 4096  # frames of a kind that differ
_PCAP_HEADER = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65600, 1)
_HEADERS = 14 + 20 + 8


def read_pcap(path):
    content = pathlib.Path(path).read_bytes()
    frames, at = [], len(_PCAP_HEADER)
    while at + 16 <= len(content):
        length = struct.unpack_from("<I", content, at + 8)[0]
        frames.append(content[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(_PCAP_HEADER)
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def payload_of(frame):
    """What a frame carries to a gateway over IPv4, or None."""
    if frame[12:14] != b"\x08\x00" or frame[14] != 0x45 or frame[23] != 17 or frame[36:38] != struct.pack("!H", UDP_PORT):
        return None
    return frame[_HEADERS:34 + struct.unpack("!H", frame[38:40])[0]]


def of_type(frames, kind):
    return [frame for frame in frames if (payload := payload_of(frame)) and payload[0] == kind]


def handshake(kind, attempt, cookie=bytes(16), data=b"", offset=0, ack=0):
    return struct.pack("!BBHQII", HANDSHAKE, kind, len(data), attempt, offset, ack) + cookie + data


def hello(frames):
    """The cookie and the parts (offset, data) of the ClientHello that begins the handshake in a capture."""
    first = [payload for frame in of_type(frames, HANDSHAKE)
             if (payload := payload_of(frame))[1] == INITIATOR and payload[16:20] == bytes(4)]
    parts = {struct.unpack("!I", payload[12:16])[0]: payload[HANDSHAKE_HEADER_BYTES:] for payload in first}
    if 0 not in parts:
        raise LabError("no handshake begins in the capture")
    return first[0][20:36], sorted(parts.items())


def _sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


@dataclasses.dataclass(frozen=True)
class Forger:
    """Speaks to site b's gateway in the name of site a's."""
    ethernet: bytes
    source: bytes
    target: bytes
    source_port: int

    @staticmethod
    def from_frame(frame):
        return Forger(frame[:14], frame[26:30], frame[30:34], struct.unpack("!H", frame[34:36])[0])

    def frame(self, payload, source=None, source_port=None):
        source = source or self.source
        head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0) + source + self.target
        head = head[:10] + struct.pack("!H", 0xffff - _sum(head)) + head[12:]
        length = 8 + len(payload)
        udp = struct.pack("!HHH", source_port or self.source_port, UDP_PORT, length)
        total = _sum(source + self.target + struct.pack("!HH", 17, length) + udp + b"\0\0" + payload)
        return self.ethernet + head + udp + struct.pack("!H", (0xffff - total) or 0xffff) + payload

    def junk(self, kind, session=0, data_bytes=100, seed=1, count=POOL):
        """Frames of one of KINDS, whose checksums are right.  session: what site b's gateway calls its own."""
        dice = random.Random(seed)
        make = getattr(self, f"_{kind}")
        return [make(dice, session, data_bytes) for _ in range(count)]

    def _data(self, dice, session, data_bytes):
        return struct.pack("!BBII", DATA, 0, session, dice.getrandbits(32)) + dice.randbytes(data_bytes - HEADER_BYTES)

    def _stranger(self, dice, _, data_bytes):
        source = self.source[:2] + dice.randbytes(2)
        return self.frame(self._data(dice, dice.getrandbits(32), data_bytes), source, dice.randrange(1024, 65536))

    def _other_session(self, dice, session, data_bytes):
        # The lowest bits say which lane it is.
        return self.frame(self._data(dice, (session + (dice.getrandbits(20) + 1 << 10)) & 0xffffffff, data_bytes))

    def _bad_tag(self, dice, session, data_bytes):
        return self.frame(self._data(dice, session, data_bytes))

    def _ask(self, dice, *_):
        return self.frame(handshake(ASK, dice.getrandbits(64)))

    def _bad_cookie(self, dice, *_):
        return self.frame(handshake(INITIATOR, dice.getrandbits(64), dice.randbytes(16), dice.randbytes(64)))


# Each by the reason its frames are dropped for; an ask is no fault, and answered.
KINDS = {"stranger": "wrong_session", "other_session": "wrong_session", "bad_tag": "bad_seal", "ask": None,
         "bad_cookie": "bad_cookie"}


class Flood(contextlib.AbstractContextManager):
    """dwcp-flood beside the link, towards site b, or to another interface of the wide area's."""

    def __init__(self, build, sites, work, frames, rate=0, packets=0, interface=port("b")):
        path = pathlib.Path(work) / "flood.pcap"
        write_pcap(path, frames)
        self.sent = None
        self._process = Process("dwcp-flood", [build.tool("dwcp-flood"), "--interface", interface, "--frames", path,
                                               "--rate", f"{rate:g}", "--packets", packets],
                                pathlib.Path(work) / "flood.log", sites.wide_area)
        self._process.wait_until(lambda: "ready" in self._process.log_path.read_text() or self._process.exit_code == 0,
                                 10, "a first packet")

    def __exit__(self, *_):
        self.stop()

    def sleep(self, seconds):
        """While it goes on."""
        time.sleep(seconds)
        self._process.require_alive()

    def finish(self, within_s=30):
        """Of one with a limit."""
        self._process.wait(within_s)
        self.stop()
        return self.sent

    def stop(self):
        if self.sent is None:
            self._process.stop()
            self.sent = json.loads(self._process.log_tail(1))


def play(build, sites, work, frames, rate=20_000):
    """Each of them once, in order."""
    if frames:
        with Flood(build, sites, work, frames, rate, len(frames)) as flood:
            if flood.finish()["packets"] != len(frames):
                raise LabError(f"only {flood.sent} of {len(frames)} went")
