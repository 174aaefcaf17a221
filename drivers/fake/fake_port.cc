// SPDX-License-Identifier: Apache-2.0
#include "drivers/fake/fake_port.h"

#include <cstring>

#include "base/assert.h"
#include "drivers/impair/frame_edit.h"

namespace dwcp {

FakePort::FakePort(const FakePortConfig& config, BufferPool& pool, const std::uint64_t& now_ns)
    : info_{.mac = config.mac, .mtu = config.mtu},
      rx_frames_max_(config.rx_frames_max),
      pool_(pool),
      now_ns_(now_ns),
      wire_(SIZE_MAX) {  // bounded by the pool
  DWCP_ASSERT(config.mtu + kL2BytesMax <= pool.buffer_bytes());
}

// A handle is the buffer's index plus one, so that an empty packet (nullptr) is told apart.
std::uint32_t FakePort::buffer_of(const void* handle) noexcept {
  DWCP_ASSERT(handle != nullptr);
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(handle) - 1);
}

void* FakePort::handle_of(std::uint32_t buffer) noexcept {
  return reinterpret_cast<void*>(std::uintptr_t{buffer} + 1);  // never followed
}

std::size_t FakePort::receive(std::span<RxPacket> packets) noexcept {
  std::size_t n = 0;
  while (n < packets.size() && !rx_.empty()) {
    const Frame frame = rx_.front();
    rx_.pop_front();
    packets[n++] = {.data = pool_.data(frame.buffer), .length = frame.length, .handle = handle_of(frame.buffer)};
    ++counters_.rx_packets;
    counters_.rx_bytes += frame.length;
  }
  return n;
}

void FakePort::release(std::span<const RxPacket> packets) noexcept {
  for (const RxPacket& packet : packets) pool_.give(buffer_of(packet.handle));
}

std::size_t FakePort::reserve(std::span<TxPacket> packets) noexcept {
  std::size_t n = 0;
  for (; n < packets.size(); ++n) {
    const auto buffer = pool_.take();
    if (!buffer) {
      ++counters_.tx_no_buffer;
      break;
    }
    packets[n] = {.data = pool_.data(*buffer), .capacity = pool_.buffer_bytes(), .handle = handle_of(*buffer)};
  }
  return n;
}

void FakePort::cancel(std::span<const TxPacket> packets) noexcept {
  for (const TxPacket& packet : packets) pool_.give(buffer_of(packet.handle));
}

std::size_t FakePort::send(std::span<const TxPacket> packets) noexcept {
  if (packets.size() > send_max_) {
    ++counters_.tx_full;
    packets = packets.first(send_max_);
  }
  for (const TxPacket& packet : packets) {
    const std::uint32_t buffer = buffer_of(packet.handle);
    if (!send_one(packet, buffer)) pool_.give(buffer);
  }
  return packets.size();
}

// Returns whether the frame went out; the buffer then belongs to the wire or, if the link lost the frame, is
// back in the pool.
bool FakePort::send_one(const TxPacket& packet, std::uint32_t buffer) noexcept {
  DWCP_ASSERT(!packet.offload);  // info().tx_checksum is false
  if (packet.length < kEthernetHeaderBytes || packet.length > info_.mtu + kL2BytesMax) {
    ++fake_counters_.tx_invalid;
    return false;
  }
  if (!link_up()) {
    ++fake_counters_.tx_no_carrier;
    return false;
  }
  ++counters_.tx_packets;
  counters_.tx_bytes += packet.length;

  const std::span<std::uint8_t> frame(pool_.data(buffer), packet.length);
  const bool ect = model_->marks_ecn() && frame_is_ect(frame);
  const Verdict verdict = model_->admit(now_ns_, {.bytes = packet.length, .protected_bytes = frame_protected_bytes(frame), .ect = ect});
  if (verdict.copies == 0) {
    pool_.give(buffer);
    return true;
  }
  if (verdict.edits()) edit_frame(verdict, frame);
  static_cast<void>(wire_.push(verdict.deliver_ns, verdict.in_order, {buffer, packet.length}));
  if (verdict.copies == 2) {
    if (const auto copy = pool_.take()) {
      std::memcpy(pool_.data(*copy), frame.data(), frame.size());
      static_cast<void>(wire_.push(verdict.deliver_ns, verdict.in_order, {*copy, packet.length}));
    } else {
      ++fake_counters_.duplicates_no_buffer;
    }
  }
  return true;
}

void FakePort::arrive(Frame frame) noexcept {
  if (!carrier_ || rx_.size() >= rx_frames_max_ || frame.length > info_.mtu + kL2BytesMax) {
    ++fake_counters_.rx_missed;
    pool_.give(frame.buffer);
    return;
  }
  rx_.push_back(frame);
}

}  // namespace dwcp
