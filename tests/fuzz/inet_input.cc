// SPDX-License-Identifier: Apache-2.0
// Contract: whatever a station on the LAN sends, Parser and Host read and write only inside the buffers given to them,
// a payload handed up lies within the frame, and a pinned next hop stays in the table.
//
// Input: a byte of switches (1: VLAN 100, 2: port has verified checksums, 4: answer buffers of 40 bytes), then frames,
// each behind a 16-bit big-endian length.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_order.h"
#include "base/time.h"
#include "dataplane/inet/host.h"

namespace {

using namespace dwcp;
using namespace dwcp::inet;

HostConfig config_for(std::uint8_t switches) {
  HostConfig config;
  config.mac = {2, 0, 0, 0, 0, 0x0b};
  config.vlan = (switches & 1) != 0 ? 100 : 0;
  config.v4 = *Prefix::parse("192.0.2.2/24");
  config.v4_gateway = *IpAddress::parse("192.0.2.1");
  config.v6 = *Prefix::parse("2001:db8::2/64");
  config.v6_gateway = *IpAddress::parse("2001:db8::1");
  config.udp_port_min = 4700;
  config.udp_port_max = 4800;
  return config;
}

void check(bool holds) {
  if (!holds) std::abort();
}

void one_frame(Host& host, Parser& parser, std::uint8_t switches, std::span<const std::uint8_t> frame,
               std::uint64_t now_ns) {
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[frame.size()]);
  if (!frame.empty()) std::memcpy(exact.get(), frame.data(), frame.size());
  RxPacket rx;
  rx.data = exact.get();
  rx.length = static_cast<std::uint32_t>(frame.size());
  if ((switches & 2) != 0) rx.ip = rx.l4 = ChecksumState::kGood;

  const Parsed parsed = parser.parse(rx);
  if (parsed.kind == Parsed::Kind::kUdp) {
    const std::uint8_t* begin = parsed.datagram.payload;
    check(begin >= rx.data && begin + parsed.datagram.payload_length <= rx.data + rx.length);
  }
  const std::uint32_t capacity = (switches & 4) != 0 ? 40 : 1514;
  const std::unique_ptr<std::uint8_t[]> answer(new std::uint8_t[capacity]);
  TxPacket tx;
  tx.data = answer.get();
  tx.capacity = capacity;
  TxBatch out(std::span(&tx, 1));
  const auto report = host.on_frame(now_ns, rx, out);
  if (report) check(report->mtu >= kIpv6MtuMin && report->mtu < 1500);
  check(out.size() <= 1 && (out.size() == 0 || tx.length <= capacity));
  TxBatch more(std::span(&tx, 1));
  host.poll(now_ns, more);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::uint8_t switches = data[0];
  Host host(config_for(switches));
  Parser parser(host.local());
  const IpAddress peers[] = {*IpAddress::parse("198.51.100.7"), *IpAddress::parse("2001:db8:ffff::7")};
  for (const IpAddress& peer : peers) check(host.pin(peer));
  std::uint64_t now_ns = 0;
  for (std::size_t at = 1; at + 2 <= size;) {
    const std::size_t wanted = load_be<be16>(data + at);
    at += 2;
    const std::size_t length = std::min(wanted, size - at);
    one_frame(host, parser, switches, {data + at, length}, now_ns);
    at += length;
    now_ns += 400 * kNsPerMs;
  }
  for (const IpAddress& peer : peers) {
    const NextHop::State state = host.lookup(peer).state;
    check(state == NextHop::State::kResolved || state == NextHop::State::kPending);
  }
  return 0;
}
