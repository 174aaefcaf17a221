// SPDX-License-Identifier: Apache-2.0
// A fake codec with a thread of its own that joins each hypervisor that connects to one that listens, as two gateways
// would: what one sends, ends or resets, the other receives.  It also holds blocks back, on wish.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <thread>
#include <vector>

#include "harness.h"

namespace dwcp::test {

class Bridge {
 public:
  explicit Bridge(Harness& harness);
  ~Bridge();

  // While true no ingress block is given back and nothing goes to the far side.
  std::atomic<bool> stalled{false};
  // Pairs of connections fully over.
  std::atomic<std::uint64_t> ended{0};
  std::atomic<std::uint64_t> blocks{0};

  void join();

 private:
  struct Side {
    MigrationRef migration{};
    std::size_t other = 0;  // slot
    bool live = false;      // between kOpen/kConnect and kClosed
    bool connected = false;
    bool eof = false;  // of its input
    bool eof_passed = false;
    EndReason reason = EndReason::kNone;
    bool reason_passed = false;
    std::deque<EdgeToCodec> input;  // data not passed on yet
  };

  void run();
  bool poll();
  void handle(const EdgeToCodec& message);
  void pass_on(Side& from);
  void release_if_over(Side& side);
  void drop_input(Side& side);

  Harness& h_;
  std::vector<Side> sides_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace dwcp::test
