// SPDX-License-Identifier: Apache-2.0
#include "dataplane/inet/neighbour_cache.h"

#include <algorithm>

namespace dwcp::inet {

using State = Neighbour::State;

Neighbour* NeighbourCache::find(const IpAddress& ip) noexcept {
  for (Neighbour& entry : entries_) {
    if (entry.state != State::kFree && entry.ip == ip) return &entry;
  }
  return nullptr;
}

Neighbour* NeighbourCache::obtain(const IpAddress& ip) noexcept {
  if (Neighbour* entry = find(ip); entry != nullptr) return entry;
  Neighbour* victim = nullptr;
  for (Neighbour& entry : entries_) {
    if (entry.state == State::kFree) {
      victim = &entry;
      break;
    }
    if (entry.pins == 0 && (victim == nullptr || entry.used < victim->used)) victim = &entry;
  }
  if (victim == nullptr) return nullptr;
  if (victim->resolved()) ++generation_;
  *victim = Neighbour{};
  victim->ip = ip;
  victim->state = State::kIncomplete;
  victim->due_ns = 0;
  victim->used = ++uses_;
  return victim;
}

void NeighbourCache::use(Neighbour& entry) noexcept {
  entry.used = ++uses_;
  if (entry.state != State::kStale) return;
  entry.state = State::kProbe;
  entry.tries = 0;
  entry.due_ns = 0;
}

bool NeighbourCache::pin(const IpAddress& ip) noexcept {
  Neighbour* entry = obtain(ip);
  if (entry == nullptr || entry->pins == UINT16_MAX) return false;
  ++entry->pins;
  use(*entry);
  return true;
}

void NeighbourCache::unpin(const IpAddress& ip) noexcept {
  Neighbour* entry = find(ip);
  if (entry != nullptr && entry->pins > 0) --entry->pins;
}

void NeighbourCache::set_mac(Neighbour& entry, const MacAddress& mac) noexcept {
  if (!entry.resolved() || entry.mac != mac) ++generation_;
  entry.mac = mac;
}

void NeighbourCache::confirm(Neighbour& entry, const MacAddress& mac, std::uint64_t now_ns) noexcept {
  set_mac(entry, mac);
  entry.state = State::kReachable;
  entry.tries = 0;
  entry.due_ns = now_ns + kNeighbourReachableNs;
}

void NeighbourCache::suggest(Neighbour& entry, const MacAddress& mac) noexcept {
  if (entry.resolved() && entry.mac == mac) return;  // nothing new, and no proof that it can hear us
  set_mac(entry, mac);
  entry.state = State::kStale;
  entry.due_ns = kNever;
  if (entry.pins > 0) use(entry);
}

void NeighbourCache::doubt(Neighbour& entry) noexcept {
  if (entry.state != State::kReachable) return;
  entry.state = State::kStale;
  entry.due_ns = kNever;
  if (entry.pins > 0) use(entry);
}

NeighbourCache::Ask NeighbourCache::advance(Neighbour& entry, std::uint64_t now_ns) noexcept {
  if (entry.state == State::kFree || now_ns < entry.due_ns) return Ask::kNothing;
  if (entry.state == State::kReachable) {
    entry.state = State::kStale;
    entry.due_ns = kNever;
    if (entry.pins == 0) return Ask::kNothing;
    use(entry);
  }
  if (entry.state == State::kProbe) {
    if (entry.tries < kNeighbourTries) return Ask::kUnicast;
    entry.state = State::kIncomplete;
    entry.tries = 0;
    ++generation_;
  }
  if (entry.state != State::kIncomplete) return Ask::kNothing;
  if (entry.tries < kNeighbourTries || entry.pins > 0) return Ask::kBroadcast;
  entry = Neighbour{};
  return Ask::kNothing;
}

void NeighbourCache::sent(Neighbour& entry, std::uint64_t now_ns) noexcept {
  if (entry.tries < UINT8_MAX) ++entry.tries;
  entry.due_ns = now_ns + kNeighbourRetryNs;
}

std::uint64_t NeighbourCache::next_deadline() const noexcept {
  std::uint64_t deadline = kNever;
  for (const Neighbour& entry : entries_) {
    if (entry.state != State::kFree) deadline = std::min(deadline, entry.due_ns);
  }
  return deadline;
}

}  // namespace dwcp::inet
