// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/link_keys.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/byte_order.h"
#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

// RFC 9001 §5.3 with the stream in the four bytes before the packet number.
Nonce nonce_of(const Nonce& iv, std::uint8_t stream, std::uint64_t number) noexcept {
  struct {
    be32 stream;
    be64 number;
  } packet{.stream = std::uint32_t{stream}, .number = number};
  static_assert(sizeof(packet) == kNonceBytes);
  Nonce nonce = iv;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&packet);
  for (std::size_t i = 0; i < kNonceBytes; ++i) nonce[i] ^= bytes[i];
  return nonce;
}

}  // namespace

EpochKeys::~EpochKeys() {
  explicit_bzero(tx_iv.data(), tx_iv.size());
  explicit_bzero(rx_iv.data(), rx_iv.size());
}

void LinkKeys::retire(std::unique_ptr<EpochKeys> keys) noexcept {
  if (keys == nullptr) return;
  const auto place = std::find(retired_.begin(), retired_.end(), nullptr);
  // They are taken from here every millisecond; control would have to send more than nine in between.
  DWCP_ASSERT(place != retired_.end());
  *place = std::move(keys);
}

void LinkKeys::retire(Slot& slot) noexcept {
  retire(std::move(slot.keys));
  slot = Slot{};
}

std::unique_ptr<EpochKeys> LinkKeys::retired() noexcept {
  for (auto& place : retired_) {
    if (place != nullptr) return std::move(place);
  }
  return nullptr;
}

void LinkKeys::end() noexcept {
  for (Slot& slot : slots_) retire(slot);
  sealing_ = newest_ = seen_newest_ = kNone;
  confirmed_ = false;
  forgeries_ = 0;
}

void LinkKeys::begin(std::unique_ptr<EpochKeys> keys) noexcept {
  end();
  newest_ = keys->epoch;
  if (keys->send_at_once) sealing_ = keys->epoch;
  slot(newest_).keys = std::move(keys);
}

bool LinkKeys::add(std::unique_ptr<EpochKeys> keys) noexcept {
  Slot& place = slot(keys->epoch);
  // The newest again: the handshake they came from was never finished by the peer, and this one takes its place.
  const bool newer = newest_ != kNone && keys->epoch >= newest_ && keys->epoch - newest_ < wire::kEpochsTold;
  const bool in_use = place.keys != nullptr && (place.keys->epoch == sealing_ || place.keys->epoch == seen_newest_);
  if (!newer || in_use) {
    retire(std::move(keys));
    return false;
  }
  retire(place);
  newest_ = keys->epoch;
  if (keys->send_at_once) sealing_ = keys->epoch;
  place.keys = std::move(keys);
  return true;
}

bool LinkKeys::can_seal() const noexcept { return sealing_ != kNone && slot(sealing_).sealed_bytes < kSealedBytesMax; }

std::uint32_t LinkKeys::seal(std::span<const SealedPacket> packets) noexcept {
  DWCP_ASSERT(can_seal() && packets.size() <= kBurst);
  Slot& place = slot(sealing_);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const SealedPacket& packet = packets[i];
    auto& header = *reinterpret_cast<wire::PacketHeader*>(packet.data);
    header.stream = wire::stream_byte(packet.stream, sealing_);
    std::uint64_t& next = place.next_number[packet.stream];
    DWCP_ASSERT(packet.number >= next);
    next = packet.number + 1;
    work_[i] = {.data = packet.data, .bytes = packet.bytes, .nonce = nonce_of(place.keys->tx_iv, packet.stream, packet.number)};
    place.sealed_bytes += packet.bytes;
  }
  const auto work = std::span(work_).first(packets.size());
  place.keys->tx->seal(work);
  std::uint32_t good = 0;
  for (std::size_t i = 0; i < work.size(); ++i) good |= std::uint32_t{work[i].good} << i;
  return good;
}

bool LinkKeys::can_open(std::uint8_t epoch_bits) const noexcept {
  const Slot& place = slots_[epoch_bits];
  return place.keys != nullptr && place.forgeries < kForgeriesMax;
}

std::uint32_t LinkKeys::open(std::uint64_t now_ns, std::uint8_t epoch_bits, std::span<const SealedPacket> packets) noexcept {
  DWCP_ASSERT(can_open(epoch_bits) && packets.size() <= kBurst);
  Slot& place = slots_[epoch_bits];
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const SealedPacket& packet = packets[i];
    work_[i] = {.data = packet.data, .bytes = packet.bytes, .nonce = nonce_of(place.keys->rx_iv, packet.stream, packet.number)};
  }
  const auto work = std::span(work_).first(packets.size());
  place.keys->rx->open(work);
  std::uint32_t good = 0;
  for (std::size_t i = 0; i < work.size(); ++i) {
    good |= std::uint32_t{work[i].good} << i;
    if (work[i].good) place.opened_bytes += work[i].bytes;
    else ++place.forgeries, ++forgeries_;
  }
  if (good == 0 || place.seen) return good;
  // The peer has these keys.  So it has all before them, and what it still sends under those is on its way.
  place.seen = true;
  const std::uint32_t epoch = place.keys->epoch;
  if (seen_newest_ == kNone || epoch > seen_newest_) {
    seen_newest_ = epoch;
    seen_newest_ns_ = now_ns;
    confirmed_ = true;
  }
  if (sealing_ == kNone || epoch > sealing_) sealing_ = epoch;
  return good;
}

bool LinkKeys::take_confirmed(std::uint32_t& epoch) noexcept {
  if (!confirmed_) return false;
  confirmed_ = false;
  epoch = seen_newest_;
  return true;
}

void LinkKeys::on_time(std::uint64_t now_ns) noexcept {
  if (seen_newest_ == kNone || now_ns < seen_newest_ns_ + kKeepNs) return;
  for (Slot& place : slots_) {
    if (place.keys != nullptr && place.keys->epoch < seen_newest_ && place.keys->epoch < sealing_) retire(place);
  }
}

std::uint64_t LinkKeys::used_bytes() const noexcept {
  if (newest_ == kNone) return 0;
  const Slot& place = slot(newest_);
  return std::max(place.sealed_bytes, place.opened_bytes);
}

}  // namespace dwcp
