// SPDX-License-Identifier: Apache-2.0
// What a stream has sent and not settled yet: one record per packet number, found in O(1), in pages of SentPage::kRecords
// from a pool the streams of a lane share, so that 10 Gb/s x 320 ms (286 k packets) costs memory only where it is in use and
// sending never allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "dataplane/transport/ids.h"
#include "dataplane/wire/limits.h"

namespace dwcp {

// Bytes of a frame that a packet carried.  `slot` and `generation` name a TxFrame of the lane.
struct SentRange {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint32_t offset = 0;
  std::uint16_t length = 0;  // at most a datagram's
  std::uint16_t losses = 0;  // times these bytes were declared lost before this packet
};

enum class SentState : std::uint8_t {
  kOutstanding,  // counts as in flight
  kAcked,
  kLost,         // declared lost, its ranges queued for repair; a late ACK makes the loss spurious
  kNotTracked,   // carried nothing that asks for an acknowledgement
};

struct SentPacket {
  static constexpr std::size_t kRangesMax = 2;  // the tail of one frame and the head of the next

  std::uint64_t sent_ns = 0;
  // The rate sampler's state when this was sent (draft-cheng-iccrg-delivery-rate-estimation §3.2).
  std::uint64_t delivered_bytes = 0;
  std::uint64_t delivered_ns = 0;
  std::uint64_t first_sent_ns = 0;
  std::array<SentRange, kRangesMax> ranges;  // [0, range_count) valid
  std::uint32_t in_flight_bytes = 0;         // of the group, this packet included
  FlowId reset_flow{};                       // valid when has_reset
  std::uint16_t bytes = 0;                   // UDP payload
  std::uint8_t range_count = 0;
  SentState state = SentState::kNotTracked;
  bool app_limited : 1 = false;
  bool has_credit : 1 = false;
  bool has_reset : 1 = false;
  bool ect : 1 = false;  // sent as ECT(0)
  bool abandoned : 1 = false;  // lost with its path; congestion control did not hear of that
  bool mtu_probe : 1 = false;  // carries nothing; its loss is not congestion (RFC 9000 §14.4)
};

struct SentPage {
  static constexpr std::size_t kRecords = 256;
  std::array<SentPacket, kRecords> records;
};

// Shared by the streams of one lane.
class SentPagePool {
 public:
  explicit SentPagePool(std::size_t packets_max)
      : pages_((packets_max + SentPage::kRecords - 1) / SentPage::kRecords), memory_(std::make_unique<SentPage[]>(pages_)) {
    free_.reserve(pages_);
    for (std::size_t i = pages_; i-- > 0;) free_.push_back(&memory_[i]);
  }
  [[nodiscard]] SentPage* take() noexcept {
    if (free_.empty()) return nullptr;
    SentPage* page = free_.back();
    free_.pop_back();
    return page;
  }
  void put(SentPage* page) noexcept { free_.push_back(page); }
  [[nodiscard]] std::size_t pages() const noexcept { return pages_; }
  [[nodiscard]] std::size_t free_pages() const noexcept { return free_.size(); }
  // What data leaves for ACKs and probes: a page per stream, but never most of a small pool.
  [[nodiscard]] std::size_t spare_pages() const noexcept { return std::min<std::size_t>(wire::kStreamsMax, pages_ / 4); }

 private:
  std::size_t pages_;
  std::unique_ptr<SentPage[]> memory_;
  std::vector<SentPage*> free_;
};

// Records of packet numbers [base(), next()).
class SentMap {
 public:
  explicit SentMap(SentPagePool& pool) : pool_(pool), ring_(pool.pages() + 1, nullptr) {}
  ~SentMap() {
    for (SentPage*& page : ring_) {
      if (page != nullptr) pool_.put(page);
    }
  }
  SentMap(const SentMap&) = delete;
  SentMap& operator=(const SentMap&) = delete;

  [[nodiscard]] PacketNumber base() const noexcept { return base_; }
  [[nodiscard]] PacketNumber next() const noexcept { return next_; }

  // True when push() has room; ask before building a packet.
  [[nodiscard]] bool can_push() noexcept {
    SentPage*& page = ring_[page_of(next_)];
    if (page == nullptr) page = pool_.take();
    return page != nullptr;
  }

  // The same, leaving pages that ACKs and probes of all streams may still need.
  [[nodiscard]] bool can_push_spared() noexcept { return pool_.free_pages() > pool_.spare_pages() && can_push(); }

  // The record of packet number next(), which becomes part of the map.  Requires can_push().
  SentPacket& push() noexcept {
    SentPacket& record = (*this)[next_];
    record = SentPacket{};
    ++next_;
    return record;
  }

  // Requires base() <= number < next().
  [[nodiscard]] SentPacket& operator[](PacketNumber number) noexcept {
    SentPage* page = ring_[page_of(number)];
    DWCP_DCHECK(page != nullptr);
    return page->records[number % SentPage::kRecords];
  }

  // Forgets [base(), number).
  void erase_below(PacketNumber number) noexcept {
    while (base_ < number) {
      const PacketNumber page_end = (base_ / SentPage::kRecords + 1) * SentPage::kRecords;
      if (page_end > number) {
        base_ = number;
        return;
      }
      SentPage*& page = ring_[page_of(base_)];
      pool_.put(page);
      page = nullptr;
      base_ = page_end;
    }
  }

  // Gives the page that push() would fill next back, when the map is empty.
  void release_page() noexcept {
    SentPage*& page = ring_[page_of(next_)];
    if (base_ != next_ || page == nullptr) return;
    pool_.put(page);
    page = nullptr;
  }

 private:
  // One page more than the pool has: base and next never share a ring place with different pages.
  [[nodiscard]] std::size_t page_of(PacketNumber number) const noexcept { return number / SentPage::kRecords % ring_.size(); }

  SentPagePool& pool_;
  std::vector<SentPage*> ring_;
  PacketNumber base_ = 0;
  PacketNumber next_ = 0;
};

}  // namespace dwcp
