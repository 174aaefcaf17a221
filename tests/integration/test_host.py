# SPDX-License-Identifier: Apache-2.0
"""The gateway as an IP host: the kernel does not own its port, so ARP, echo and packet-too-big are its own."""
import random
import socket
import struct
import threading

from lab import enter
from lab.link import LinkSpec
from lab.sites import GATEWAY_ADDRESS
from labtest import eventually, expect

ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def icmp(kind, code, rest):
    message = struct.pack("!BBH", kind, code, 0) + rest
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def raw_socket(lab, site):
    return enter.make_socket(lab.sites.namespace[site], kind=socket.SOCK_RAW, protocol=socket.IPPROTO_ICMP)


def test_answers_arp_and_ping_across_the_link(lab):
    lab.gateways()
    with raw_socket(lab, "b") as pinger:
        pinger.settimeout(0.5)
        payload = b"are you there? " * 4

        def answered():
            pinger.sendto(icmp(8, 0, struct.pack("!HH", 77, 1) + payload), (GATEWAY_ADDRESS["a"], 0))
            try:
                while True:
                    packet, (sender, _) = pinger.recvfrom(2048)
                    if sender == GATEWAY_ADDRESS["a"] and packet[20] == 0 and packet[28:] == payload:
                        return True
            except TimeoutError:
                return False

        eventually(answered, "the far gateway answers a ping", 5)


def test_heeds_packet_too_big(lab):
    """A router that says the path carries 1400 bytes makes packets smaller; a stranger's quotation does not."""
    near, _ = lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT}, spec=LinkSpec(rate_mbps=200, rtt_ms=4))

    def send():
        with lab.listen(EXIT) as listener:
            client = lab.connect(ENTRY)
            server, _ = listener.accept()
            sender = threading.Thread(target=lambda: (client.sendall(random.Random(5).randbytes(1 << 20)), client.close()))
            sender.start()
            while server.recv(1 << 16):
                pass
            server.close()
            sender.join()

    def report(source_port, mtu):
        quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, 0, 0x4000, 64, 17, 0,
                             socket.inet_aton(GATEWAY_ADDRESS["a"]), socket.inet_aton(GATEWAY_ADDRESS["b"]))
        quoted += struct.pack("!HHHH", source_port, 7717, 1480, 0)
        with raw_socket(lab, "b") as router:
            router.sendto(icmp(3, 4, struct.pack("!HH", 0, mtu) + quoted), (GATEWAY_ADDRESS["a"], 0))

    expect(largest_tx(lab, send) == 1514, "full packets before")
    before = lab.ctl(near, "drops")["drops"]
    report(50000, 68)  # less than any path may have
    eventually(lambda: lab.ctl(near, "drops")["drops"]["inet_untrusted_mtu"] > before["inet_untrusted_mtu"],
               "an impossible MTU is counted and ignored", 5)
    report(50000, 1400)
    largest = largest_tx(lab, send)
    expect(1300 < largest <= 1414, f"packets fit the path that was told of: {largest}")


def largest_tx(lab, send):
    """The largest frame of site a's gateway that reaches site b while send() runs (what af_packet sends past the queueing
    discipline cannot be seen where it leaves)."""
    with enter.namespace(lab.sites.namespace["b"]):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    with tap:
        tap.bind(("wan0", 0x0003))
        tap.settimeout(0.2)
        tap.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        send()
        largest = 0
        source = socket.inet_aton(GATEWAY_ADDRESS["a"])
        try:
            while True:
                frame = tap.recv(65536)
                if frame[26:30] == source:
                    largest = max(largest, len(frame))
        except TimeoutError:
            return largest
