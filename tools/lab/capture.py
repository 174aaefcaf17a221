# SPDX-License-Identifier: Apache-2.0
"""A packet capture in a namespace, written as a pcap file that tshark and tcpdump read.

    with Capture(namespace, interface, path, work) as capture:
        ...
    capture.packets, capture.missed; occurrences(path, b"text")

As a program, which is how Capture runs it, so that it has a core's time of its own: capture.py INTERFACE FILE"""
import json
import mmap
import pathlib
import select
import signal
import socket
import struct
import sys
import time

_ETH_P_ALL = 3
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_BUFFER_BYTES = 256 << 20
_FRAME_BYTES_MAX = 65536 + 64


class Capture:
    def __init__(self, namespace, interface, path, work):
        from lab.process import Process
        self.path = pathlib.Path(path)
        self.packets = self.missed = None
        self._process = Process(f"capture {interface}", [sys.executable, __file__, interface, self.path],
                                pathlib.Path(work) / f"capture-{interface}.log", namespace)

    def __enter__(self):
        self._process.wait_until(lambda: "ready" in self._process.log_tail(), 10, "a first look")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """What was on its way when this is called is in the file afterwards."""
        if self.packets is not None:
            return
        time.sleep(0.2)
        self._process.stop(grace_s=20)
        figures = json.loads(self._process.log_tail(1))
        self.packets, self.missed = figures["packets"], figures["missed"]


def occurrences(path, text):
    """How often `text` stands in a file."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        count, at = 0, content.find(text)
        while at >= 0:
            count, at = count + 1, content.find(text, at + len(text))
        return count


def main(interface, path):
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    packets = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as source, open(path, "wb", 1 << 20) as file:
        source.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        source.bind((interface, 0))
        source.setblocking(False)
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, _FRAME_BYTES_MAX, 1))
        print("ready", flush=True)
        while True:
            try:
                frame = source.recv(_FRAME_BYTES_MAX)
            except BlockingIOError:
                if ended:
                    break
                select.select([source], [], [], 0.05)
                continue
            now = time.time()
            file.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)))
            file.write(frame)
            packets += 1
        _, missed = struct.unpack("II", source.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    print(json.dumps({"packets": packets, "missed": missed}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
