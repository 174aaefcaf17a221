#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dwcp-wan between two network namespaces: rate, RTT, loss, blackhole, duplication, control, bad input.

    tests/integration/wan_test.py --build BUILDDIR

Needs root.  Prints one line per check; exits 0 if all hold, 1 if not, 77 without root.  Plain UDP sockets of one
process that enters the namespaces measure the link, so no traffic tool is needed and no kernel TCP blurs the figures.
"""
import argparse
import ctypes
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

PREFIX = f"wan{os.getpid()}"
SPACES = {name: f"{PREFIX}-{name}" for name in "awb"}
ADDRESS = {"a": "10.98.0.1", "b": "10.98.0.2"}
PORT = 9000
libc = ctypes.CDLL(None, use_errno=True)
failures = 0


def check(name, holds, detail):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {name}: {detail}", flush=True)


def command(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def build_lab():
    for space in SPACES.values():
        command("ip", "netns", "add", space)
    for end in "ab":
        command("ip", "link", "add", "eth0", "netns", SPACES[end], "type", "veth", "peer", "name", f"w{end}", "netns",
                SPACES["w"])
        for space, device in ((SPACES[end], "eth0"), (SPACES["w"], f"w{end}")):
            command("ip", "netns", "exec", space, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off",
                    "tx", "off")
            # IPv6 would send frames of its own and spoil the counts.
            command("ip", "netns", "exec", space, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")
            command("ip", "-n", space, "link", "set", device, "up")
        command("ip", "-n", SPACES[end], "addr", "add", f"{ADDRESS[end]}/24", "dev", "eth0")


def remove_lab():
    for space in SPACES.values():
        subprocess.run(["ip", "netns", "del", space], stderr=subprocess.DEVNULL)


def udp_socket(end):
    """A UDP socket inside the namespace of `end`, bound to PORT.  A socket stays in the namespace it was made in."""
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{SPACES[end]}") as space:
        if libc.setns(space.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        finally:
            libc.setns(home.fileno(), 0)
    for option in (33, 32):  # SO_RCVBUFFORCE, SO_SNDBUFFORCE
        sock.setsockopt(socket.SOL_SOCKET, option, 64 << 20)
    sock.bind((ADDRESS[end], PORT))
    sock.settimeout(1)
    return sock


class Emulator:
    def __init__(self, binary, folder, *options):
        self.counters_path, self.control_path = f"{folder}/counters.json", f"{folder}/control"
        ready = f"{folder}/ready"
        if os.path.exists(ready):
            os.unlink(ready)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", SPACES["w"], binary, "--a", "wa", "--b", "wb", "--ready-file", ready, "--counters",
             self.counters_path, "--control", self.control_path, "--seed", "7", *options])
        deadline = time.monotonic() + 10
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dwcp-wan did not start")
            time.sleep(0.01)

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(2)
            sock.connect(self.control_path)
            sock.sendall(line.encode() + b"\n")
            return sock.makefile().readline().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(5)
        with open(self.counters_path) as file:
            return code, json.load(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Echo(threading.Thread):
    """Sends every datagram back until closed."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.going = sock, True

    def run(self):
        while self.going:
            try:
                data, peer = self.sock.recvfrom(2048)
                self.sock.sendto(data, peer)
            except TimeoutError:
                pass

    def stop(self):
        self.going = False
        self.join()


def drain(sock):
    """All datagrams that come before the socket's timeout passes without one."""
    result = []
    try:
        while True:
            result.append(sock.recv(2048))
    except TimeoutError:
        return result


def round_trips(near, far, count, interval_s):
    """RTT in ms of each datagram that came back, None for the others."""
    echo = Echo(far)
    echo.start()
    result = [None] * count
    near.settimeout(0.001)
    start = time.monotonic()
    i = 0
    while True:
        now = time.monotonic()
        if i < count and now >= start + i * interval_s:
            near.sendto(struct.pack("!Id", i, now), (ADDRESS["b"], PORT))
            i += 1
        elif now > start + count * interval_s + 0.4:
            break
        try:
            number, sent = struct.unpack("!Id", near.recv(2048))
            result[number] = (time.monotonic() - sent) * 1e3
        except TimeoutError:
            pass
    echo.stop()
    return result


def blast(near, far, count, rate_mbps, length=1472):
    """Sends at a rate from near to far; returns (received, bits of frames per second between first and last)."""
    arrivals = []

    def receive():
        far.settimeout(0.5)
        try:
            while True:
                far.recv(2048)
                arrivals.append(time.monotonic())
        except TimeoutError:
            pass

    near.sendto(b"", (ADDRESS["b"], PORT))  # resolves the neighbour
    far.settimeout(1)
    far.recv(2048)
    thread = threading.Thread(target=receive)
    thread.start()
    payload, start = bytes(length), time.monotonic()
    frame_bits = (length + 42) * 8
    for i in range(count):
        ahead = start + i * frame_bits / rate_mbps / 1e6 - time.monotonic()
        if ahead > 0.0005:
            time.sleep(ahead)
        near.sendto(payload, (ADDRESS["b"], PORT))
    thread.join()
    span = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0
    return len(arrivals), (len(arrivals) - 1) * frame_bits / span if span else 0


def no_own_losses(name, counters):
    own = {key: counters["total"][key] for key in ("ring_drops", "line_full", "tx_drops", "oversize")}
    check(f"{name}: no losses of its own", not any(own.values()), own)
    for way in ("ab", "ba"):
        c = counters[way]
        check(f"{name}: {way} counters add up", c["offered"] + c["duplicated"] == c["delivered"] + c["dropped"] and
              c["dropped"] == sum(c["drops"].values()), f"offered {c['offered']}, dropped {c['dropped']}")


def test_rtt_and_rate(binary, folder, a, b):
    with Emulator(binary, folder, "--rate-mbps", "50", "--rtt-ms", "40", "--queue-bytes", "100000") as wan:
        rtts = [rtt for rtt in round_trips(a, b, 100, 0.005) if rtt is not None]
        median = statistics.median(rtts)
        check("rtt: none lost", len(rtts) == 100, f"{len(rtts)} of 100")
        check("rtt: 40 ms", min(rtts) >= 40 and 40 <= median < 43, f"min {min(rtts):.2f}, median {median:.2f} ms")
        received, rate = blast(a, b, 4000, 100)
        check("rate: 50 Mb/s", 49e6 < rate < 51e6, f"{rate / 1e6:.2f} Mb/s of 100 offered")
        code, counters = wan.stop()
        check("exit: 0 on SIGTERM", code == 0, code)
        queue_full = counters["ab"]["drops"]["queue_full"]
        check("queue: tail drop of the excess", queue_full == 4000 - received and 1600 < queue_full < 2100, queue_full)
        check("queue: within its bytes", counters["ab"]["queue_bytes_max"] <= 100000, counters["ab"]["queue_bytes_max"])
        no_own_losses("rate", counters)


def test_loss_and_control(binary, folder, a, b):
    with Emulator(binary, folder, "--delay-ms", "2", "--ab-loss", "0.05") as wan:
        received, _ = blast(a, b, 10000, 200)
        lost = 1 - received / 10000
        check("loss: 5 % one way", 0.04 < lost < 0.06, f"{lost:.4f}")  # 4.6 sigma
        check("control: set", wan.ask("set loss 0") == "ok" and wan.ask("set ba-duplicate 1") == "ok", "ok")
        check("control: nonsense refused", wan.ask("set loss 7").startswith("error:") and
              wan.ask("explode").startswith("error:"), wan.ask("set loss 7"))
        received, _ = blast(a, b, 2000, 200)
        check("control: loss off", received == 2000, f"{received} of 2000")
        live = json.loads(wan.ask("counters"))
        check("control: counters", live["ab"]["drops"]["random_loss"] > 400, live["ab"]["drops"]["random_loss"])
        a.settimeout(0.3)
        for i in range(100):
            b.sendto(struct.pack("!I", i), (ADDRESS["a"], PORT))
        seen = drain(a)
        check("duplicate: each twice, back to back", [struct.unpack("!I", d)[0] for d in seen] ==
              [i // 2 for i in range(200)], f"{len(seen)} of 100 sent")
        _, counters = wan.stop()
        check("loss: other direction clean", counters["ba"]["dropped"] == 0, counters["ba"]["dropped"])
        no_own_losses("loss", counters)


def test_blackhole_and_schedule(binary, folder, a, b):
    with Emulator(binary, folder, "--delay-ms", "5", "--blackhole", "0.5:0.5", "--at", "1.5:delay-ms=20") as wan:
        start = time.monotonic()  # within some ms of the emulator's own
        rtts = round_trips(a, b, 200, 0.01)
        lost = [i for i, rtt in enumerate(rtts) if rtt is None]
        span = (lost[-1] - lost[0] + 1) * 0.01 if lost else 0
        check("blackhole: 0.5 s", 0.45 <= span <= 0.56 and len(lost) == lost[-1] - lost[0] + 1, f"{span:.2f} s, {len(lost)} lost")
        check("blackhole: at 0.5 s", lost and abs(lost[0] * 0.01 - 0.5) < 0.1, lost[:1])
        before, after = rtts[110:140], [rtt for rtt in rtts[165:] if rtt]
        check("at: delay 5 to 20 ms", statistics.median(before) < 16 and 40 <= statistics.median(after) < 46,
              f"{statistics.median(before):.2f} to {statistics.median(after):.2f} ms")
        check("control: blackhole", wan.ask("blackhole 0.3") == "ok", "ok")
        begin = time.monotonic()
        lost = sum(rtt is None for rtt in round_trips(a, b, 50, 0.01))
        check("control: blackhole 0.3 s", 25 <= lost <= 34, f"{lost} of 50 lost in {time.monotonic() - begin:.1f} s")
        wan.stop()
        check("blackhole: test kept time", time.monotonic() - start < 8, f"{time.monotonic() - start:.1f} s")


def test_reorder_and_corrupt(binary, folder, a, b):
    with Emulator(binary, folder, "--delay-ms", "2", "--ab-reorder", "0.1:5", "--ba-corrupt", "1") as wan:
        blast(a, b, 2000, 100)
        b.sendto(bytes(1000), (ADDRESS["a"], PORT))
        time.sleep(0.1)
        _, counters = wan.stop()
        check("reorder: 10 %", 140 < counters["ab"]["reordered"] < 260, counters["ab"]["reordered"])
        check("corrupt: all of one way", 0 < counters["ba"]["corrupted"] == counters["ba"]["delivered"] and
              counters["ab"]["corrupted"] == 0, counters["ba"]["corrupted"])
        no_own_losses("reorder", counters)


def ecn_received(a, b, tos, count=20):
    """Sends from a to b with this TOS byte; the bytes that arrived.  A kernel drops what has a wrong IP checksum."""
    a.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    b.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
    b.settimeout(0.5)
    for _ in range(count):
        a.sendto(bytes(1000), (ADDRESS["b"], PORT))
    seen = []
    try:
        while len(seen) < count:
            _, ancillary, _, _ = b.recvmsg(2000, 64)
            seen += [data[0] for level, kind, data in ancillary if level == socket.IPPROTO_IP and kind == socket.IP_TOS]
    except socket.timeout:
        pass
    a.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)
    return seen


def test_ecn(binary, folder, a, b):
    with Emulator(binary, folder, "--rate-mbps", "10", "--delay-ms", "2", "--ab-ecn-bytes", "5000") as wan:
        seen = ecn_received(a, b, 0xba)
        check("ecn: marked above the threshold", len(seen) == 20 and seen.count(0xbb) >= 10 and seen[0] == 0xba, seen)
        check("ecn: not-ECT is not", ecn_received(a, b, 0xb8) == 20 * [0xb8], "as sent")
        wan.ask("set ab-ecn-fault bleach")
        check("ecn: bleached, DSCP kept", ecn_received(a, b, 0xba) == 20 * [0xb8], "to not-ECT")
        wan.ask("set ab-ecn-fault ce")
        check("ecn: all made CE", ecn_received(a, b, 0xb8) == 20 * [0xbb], "to CE")
        wan.ask("set ab-ecn-fault none")
        check("ecn: fault off", ecn_received(a, b, 0xb9)[0] == 0xb9, "as sent")
        _, counters = wan.stop()
        check("ecn: counted", counters["ab"]["ecn_faults"] == 40 and counters["ab"]["ecn_marked"] >= 10,
              f"{counters['ab']['ecn_faults']} faults, {counters['ab']['ecn_marked']} marks")
        no_own_losses("ecn", counters)


def test_bad_input(binary, folder):
    base = ["ip", "netns", "exec", SPACES["w"], binary]
    cases = {
        "missing interface": (["--a", "nosuch0", "--b", "wb"], "no such interface"),
        "same interface": (["--a", "wa", "--b", "wa"], "same interface"),
        "not Ethernet": (["--a", "lo", "--b", "wb"], "not an Ethernet interface"),
        "loss of 2": (["--a", "wa", "--b", "wb", "--loss", "2"], "loss"),
        "negative rate": (["--a", "wa", "--b", "wb", "--rate-mbps=-1"], "rate-mbps"),
        "nan": (["--a", "wa", "--b", "wb", "--delay-ms", "nan"], "delay-ms"),
        "half a schedule": (["--a", "wa", "--b", "wb", "--at", "5:delay"], "at:"),
        "ECN fault unheard of": (["--a", "wa", "--b", "wb", "--ecn-fault", "blush"], "ecn-fault"),
        "ECN fault too often": (["--a", "wa", "--b", "wb", "--ecn-fault", "ce:2"], "ecn-fault"),
        "unknown option": (["--a", "wa", "--b", "wb", "--frob", "1"], "--frob"),
        "no rights": (None, "no right"),
    }
    for name, (options, expected) in cases.items():
        words = base + options if options else ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"] + base[4:] + \
            ["--a", "wa", "--b", "wb"]
        if not options:
            words = base[:4] + words
        done = subprocess.run(words, capture_output=True, text=True, timeout=5)
        text = done.stderr.strip()
        check(f"bad input: {name}", done.returncode not in (0, None) and done.returncode > 0 and
              expected in text and "\n" not in text, text or f"exit {done.returncode} without a word")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="the meson build directory")
    binary = os.path.join(os.path.abspath(parser.parse_args().build), "tools/dwcp-wan/dwcp-wan")
    if os.geteuid() != 0:
        print("SKIP wan_test: needs root for network namespaces")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            build_lab()
            a, b = udp_socket("a"), udp_socket("b")
            for test in (test_rtt_and_rate, test_loss_and_control, test_blackhole_and_schedule,
                         test_reorder_and_corrupt, test_ecn):
                test(binary, folder, a, b)
                for sock in (a, b):  # nothing of one test may reach the next
                    sock.settimeout(0.01)
                    drain(sock)
            test_bad_input(binary, folder)
        finally:
            remove_lab()
    print(f"{'ok  ' if not failures else 'FAIL'} wan_test: {failures} failed, {time.monotonic() - start:.1f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
