// SPDX-License-Identifier: Apache-2.0
// NetRole: the way of a packet out.
#include <algorithm>
#include <bit>

#include "dataplane/lcore/net_role.h"

namespace dwcp {
namespace {

constexpr std::size_t kBurstsPerStep = 4;
// Longer than any port that works at all needs for a burst, shorter than a PTO in distress.
constexpr std::uint64_t kTxStuckNs = 100 * kNsPerMs;

}  // namespace

// The buffers on hand, topped up from the port; none while the port is full.
std::span<TxPacket> NetRole::tx_buffers() noexcept {
  if (tx_waiting_ != 0) tx_send(0);
  if (tx_waiting_ != 0) return {};
  if (tx_ready_ < tx_.size() / 2) tx_ready_ += queue_.reserve(std::span(tx_).subspan(tx_ready_));
  return std::span(tx_).first(tx_ready_);
}

// Sends what waits and the first `count` of the buffers on hand; what the port does not take waits, the rest moves up.
void NetRole::tx_send(std::size_t count) noexcept {
  const std::size_t offered = tx_waiting_ + count;
  const std::size_t taken = queue_.send(std::span(tx_).first(offered));
  std::copy(tx_.begin() + static_cast<std::ptrdiff_t>(taken), tx_.begin() + static_cast<std::ptrdiff_t>(tx_ready_), tx_.begin());
  tx_ready_ -= taken;
  tx_waiting_ = offered - taken;
}

// A port that takes nothing must not keep the lane's buffers for good: what waits would be stale, and its first frame may be
// what it refuses.  The transport repairs it as it would any loss.
void NetRole::give_up_stuck(std::uint64_t now_ns) noexcept {
  const std::uint64_t packets = queue_.counters().tx_packets;
  if (tx_waiting_ == 0 || packets != tx_moved_packets_) {
    tx_moved_packets_ = packets;
    tx_moved_ns_ = now_ns;
    return;
  }
  if (now_ns < tx_moved_ns_ + kTxStuckNs) return;
  queue_.cancel(std::span(tx_).first(tx_waiting_));
  std::copy(tx_.begin() + static_cast<std::ptrdiff_t>(tx_waiting_), tx_.begin() + static_cast<std::ptrdiff_t>(tx_ready_),
            tx_.begin());
  tx_moved_ns_ = now_ns;
  tx_given_up_ += tx_waiting_;
  tx_ready_ -= tx_waiting_;
  tx_waiting_ = 0;
}

void NetRole::poll_host(std::uint64_t now_ns) noexcept {
  if (now_ns < host_.next_deadline()) return;
  inet::TxBatch out(tx_buffers());
  host_.poll(now_ns, out);
  if (out.size() != 0) tx_send(out.size());
}

std::size_t NetRole::transmit(std::uint64_t now_ns) noexcept {
  std::size_t total = 0;
  for (std::uint16_t index = 0; index < links_.size(); ++index) {
    Lane& lane = links_[index]->lane;
    if (!lane.active()) continue;
    if (links_[index]->stop_reason) {
      stop_session(now_ns, index);
      continue;
    }
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
  if (!link.next_hop_known || !link.keys.can_seal()) return 0;
  const auto buffers = tx_buffers();
  const std::size_t header_bytes = link.headers.front().size();  // the same for all streams of a link
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    datagrams_[i] = {.data = buffers[i].data + header_bytes,
                     .capacity = buffers[i].capacity - static_cast<std::uint32_t>(header_bytes)};
  }
  const std::size_t written = link.lane.transmit(now_ns, std::span(datagrams_).first(buffers.size()));
  if (written == 0) return 0;
  const std::size_t n = seal(link, written);
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
  return written;
}

// Seals the first `count` of datagrams_, which lie in the buffers on hand.  How many of them may go: a packet that could not
// be sealed ends the burst, and those behind it are lost as if on the way, which no working device brings about.
std::size_t NetRole::seal(Link& link, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const TxDatagram& datagram = datagrams_[i];
    sealed_[i] = {.data = datagram.data,
                  .bytes = datagram.length - static_cast<std::uint32_t>(wire::kSealBytes),
                  .stream = raw(datagram.stream),
                  .number = datagram.number};
  }
  const auto good = static_cast<std::size_t>(std::countr_one(link.keys.seal(std::span(sealed_).first(count))));
  seals_failed_ += count - std::min(good, count);
  return std::min(good, count);
}

}  // namespace dwcp
