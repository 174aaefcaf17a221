# SPDX-License-Identifier: Apache-2.0
"""The gateway as an IP host: the kernel does not own its port, so ARP, echo and packet-too-big are its own."""
import socket
import struct

from lab import enter
from lab.sites import GATEWAY_ADDRESS
from labtest import eventually


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
