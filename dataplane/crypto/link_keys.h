// SPDX-License-Identifier: Apache-2.0
// The keys of a link's session: seals what goes to the peer, opens what comes from it, and knows which epoch's keys for.
// The net lcore's; keys come from the control thread and go back to it to be destroyed.
//
//   epoch n in use ── add(n + 1) ─▶ both open; n seals ── first packet opened with n + 1, or send_at_once ─▶ n + 1 seals
//                                                      ── kKeepNs after the peer was seen to use n + 1 ────▶ n is retired
//
// A responder's handshake ends with the last flight of the initiator, which had the keys before it sent that: so the
// responder seals with them at once, and the initiator as soon as that shows.  No packet is lost to a change of keys.
//
// No nonce is used twice under one key.  It is the epoch's IV, combined with stream and packet number (RFC 9001 §5.3); a key
// belongs to one direction of one session and epoch, from a handshake of its own; and within a session a stream numbers its
// packets upwards from 0 in 64 bits.  seal() asserts that last point.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/crypto/aead.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

// Made ready by the control thread.
struct EpochKeys {
  std::uint32_t epoch = 0;
  Cipher cipher = Cipher::kAes128Gcm;
  bool send_at_once = false;
  std::unique_ptr<AeadKey> tx;
  std::unique_ptr<AeadKey> rx;
  Nonce tx_iv{};
  Nonce rx_iv{};
  ~EpochKeys();  // wipes the IVs; the keys wipe themselves
};

// A packet as LinkKeys needs it.
struct SealedPacket {
  std::uint8_t* data = nullptr;  // PacketHeader first, its epoch not set yet; the tag goes, or is, behind `bytes`
  std::uint32_t bytes = 0;       // without the tag
  std::uint8_t stream = 0;
  std::uint64_t number = 0;      // whole
};

class LinkKeys {
 public:
  static constexpr std::size_t kBurst = 32;
  // Half of what RFC 9001 appendix B finds safe for AES-GCM (2^36 blocks): then nothing more is sealed.  New keys are due long
  // before.
  static constexpr std::uint64_t kSealedBytesMax = std::uint64_t{1} << 39;
  // Packets that failed to open, after which a key opens no more: the limit of ChaCha20-Poly1305 (RFC 9001 §6.6), and far
  // below AES-GCM's.
  static constexpr std::uint64_t kForgeriesMax = std::uint64_t{1} << 36;
  static constexpr std::uint64_t kKeepNs = 3'000'000'000;

  // A session begins with these.  What the last one had goes to retired().
  void begin(std::unique_ptr<EpochKeys> keys) noexcept;
  // New keys for the session, of the next epoch, or of the newest while neither end has used its keys.  False, and they go to
  // retired(): not newer than what is in use, or in the way of it.
  bool add(std::unique_ptr<EpochKeys> keys) noexcept;
  // Keys that came for a session that is no more.
  void retire(std::unique_ptr<EpochKeys> keys) noexcept;
  // Keys not needed any more, one at a time; null: none.
  [[nodiscard]] std::unique_ptr<EpochKeys> retired() noexcept;
  // Ends the session.
  void end() noexcept;

  // There is a key to seal with, and it is not worn out.
  [[nodiscard]] bool can_seal() const noexcept;
  // Requires can_seal().  Bit i of the result: packets[i] is sealed and may go.  At most kBurst.
  [[nodiscard]] std::uint32_t seal(std::span<const SealedPacket> packets) noexcept;

  // The two bits of epoch a header tells name keys we have.
  [[nodiscard]] bool can_open(std::uint8_t epoch_bits) const noexcept;
  // Requires can_open().  Bit i of the result: packets[i], all of one epoch, is authentic and open.  At most kBurst.
  [[nodiscard]] std::uint32_t open(std::uint64_t now_ns, std::uint8_t epoch_bits, std::span<const SealedPacket> packets) noexcept;

  // The newest epoch that the peer was first seen to use since the last call.
  [[nodiscard]] bool take_confirmed(std::uint32_t& epoch) noexcept;
  void on_time(std::uint64_t now_ns) noexcept;

  [[nodiscard]] std::uint32_t epoch() const noexcept { return sealing_; }  // that seals; valid when can_seal()
  // The larger direction under the newest keys there are.
  [[nodiscard]] std::uint64_t used_bytes() const noexcept;
  [[nodiscard]] std::uint64_t forgeries() const noexcept { return forgeries_; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Slot {
    std::unique_ptr<EpochKeys> keys;
    std::uint64_t sealed_bytes = 0;
    std::uint64_t opened_bytes = 0;
    std::uint64_t forgeries = 0;
    bool seen = false;  // the peer used them
    std::array<std::uint64_t, wire::kStreamsMax> next_number{};  // least that may be sealed
  };

  [[nodiscard]] Slot& slot(std::uint32_t epoch) noexcept { return slots_[epoch % slots_.size()]; }
  [[nodiscard]] const Slot& slot(std::uint32_t epoch) const noexcept { return slots_[epoch % slots_.size()]; }
  void retire(Slot& slot) noexcept;

  std::array<Slot, wire::kEpochsTold> slots_;
  std::array<std::unique_ptr<EpochKeys>, 2 * wire::kEpochsTold + 1> retired_;
  std::array<AeadPacket, kBurst> work_;
  std::uint32_t sealing_ = kNone;
  std::uint32_t newest_ = kNone;     // epoch there are keys of
  std::uint32_t seen_newest_ = kNone;
  std::uint64_t seen_newest_ns_ = 0;
  bool confirmed_ = false;           // seen_newest_ is news
  std::uint64_t forgeries_ = 0;      // of the session
};

}  // namespace dwcp
