// SPDX-License-Identifier: Apache-2.0
// NetRole: the way of a packet out.
#include <algorithm>

#include "dataplane/lcore/net_role.h"

namespace dwcp {
namespace {

constexpr std::size_t kBurstsPerStep = 4;

}  // namespace

// The buffers on hand, topped up from the port.
std::span<TxPacket> NetRole::tx_buffers() noexcept {
  if (tx_ready_ < tx_.size() / 2) tx_ready_ += queue_.reserve(std::span(tx_).subspan(tx_ready_));
  return std::span(tx_).first(tx_ready_);
}

// Sends the first `count` of them; the rest move up.
void NetRole::tx_send(std::size_t count) noexcept {
  queue_.send(std::span(tx_).first(count));
  std::copy(tx_.begin() + static_cast<std::ptrdiff_t>(count), tx_.begin() + static_cast<std::ptrdiff_t>(tx_ready_), tx_.begin());
  tx_ready_ -= count;
}

void NetRole::poll_host(std::uint64_t now_ns) noexcept {
  if (now_ns < host_.next_deadline()) return;
  inet::TxBatch out(tx_buffers());
  host_.poll(now_ns, out);
  if (out.size() != 0) tx_send(out.size());
}

std::size_t NetRole::transmit(std::uint64_t now_ns) noexcept {
  std::size_t total = 0;
  for (std::size_t index = 0; index < links_.size(); ++index) {
    Lane& lane = links_[index]->lane;
    if (!lane.active()) continue;
    lane.on_time(now_ns);
    for (std::size_t burst = 0; burst < kBurstsPerStep; ++burst) {
      const std::size_t n = transmit_lane(now_ns, index);
      total += n;
      if (n < kBurstMax / 2) break;
    }
  }
  return total;
}

// One burst of a lane.  The lane writes each datagram where it will be sent from, behind room for its headers.
std::size_t NetRole::transmit_lane(std::uint64_t now_ns, std::size_t index) noexcept {
  Link& link = *links_[index];
  if (!link.next_hop_known) return 0;
  const auto buffers = tx_buffers();
  const std::size_t header_bytes = link.headers.front().size();  // the same for all streams of a link
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    datagrams_[i] = {.data = buffers[i].data + header_bytes,
                     .capacity = buffers[i].capacity - static_cast<std::uint32_t>(header_bytes)};
  }
  const std::size_t n = link.lane.transmit(now_ns, std::span(datagrams_).first(buffers.size()));
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t stream = raw(datagrams_[i].stream);
    if (link.paths[stream] != datagrams_[i].path) {
      link.paths[stream] = datagrams_[i].path;
      link.headers[stream] = header_for(index, stream, datagrams_[i].path);
    }
    const inet::UdpTemplate& header = link.headers[stream];
    buffers[i].length = static_cast<std::uint32_t>(header_bytes + datagrams_[i].length);
    buffers[i].offload = false;
    header.write(buffers[i].data, static_cast<std::uint16_t>(datagrams_[i].length),
                 static_cast<std::uint8_t>(datagrams_[i].ecn), checksum_mode_);
    if (checksum_mode_ == inet::ChecksumMode::kOffload) header.describe(buffers[i]);
  }
  if (n != 0) tx_send(n);
  return n;
}

}  // namespace dwcp
