// SPDX-License-Identifier: Apache-2.0
// Whose turn it is to carry data: deficit round robin (Shreedhar and Varghese, "Efficient fair queueing using deficit round
// robin", 1995) over a lane's streams, by shares.  A round gives each stream credit for kRun packets times its share, to be
// spent in one run where that is possible: long enough that receivers see runs they can batch, short enough that the streams'
// loads stay even within a frame.
//
//   while (...) { if (turns.has_credit(at)) send on `at`, turns.spend(at);  else try turns.after(at); }
//   when every stream that could send has no credit: turns.new_round()
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "dataplane/wire/limits.h"

namespace dwcp {

class StreamTurns {
 public:
  static constexpr std::size_t kRun = 8;

  void begin(std::size_t streams) noexcept {
    streams_ = streams;
    at_ = 0;
    shares_.fill(1);
    credits_.fill(kRun);
  }

  [[nodiscard]] std::size_t streams() const noexcept { return streams_; }
  // Where the next round of attempts begins: turns go on where pacing cut them short, or the first stream would get them all.
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::size_t after(std::size_t stream) const noexcept { return stream + 1 == streams_ ? 0 : stream + 1; }
  [[nodiscard]] bool has_credit(std::size_t stream) const noexcept { return credits_[stream] >= 1; }

  // A packet of data went on `stream`; `pass` ends its run.
  void spend(std::size_t stream, bool pass = false) noexcept {
    credits_[stream] -= 1;
    at_ = has_credit(stream) && !pass ? stream : after(stream);
  }
  // What a stream could not spend it does not save up beyond one run.
  void new_round() noexcept {
    for (std::size_t i = 0; i < streams_; ++i) credits_[i] = std::min<float>(credits_[i] + kRun * shares_[i], kRun);
  }

  // Above 0, at most 1; the greatest should be 1, or rounds are spent without a packet.
  void set_share(std::size_t stream, double share) noexcept { shares_[stream] = static_cast<float>(share); }

 private:
  std::size_t streams_ = 0;
  std::size_t at_ = 0;
  std::array<float, wire::kStreamsMax> shares_{};
  std::array<float, wire::kStreamsMax> credits_{};  // packets
};

}  // namespace dwcp
