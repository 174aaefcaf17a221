// SPDX-License-Identifier: Apache-2.0
// Others on the links of a LanePair: whoever sends frames through the same bottlenecks, on the same virtual clock.
#pragma once

#include <cstdint>

#include "drivers/impair/link_model.h"

namespace dwcp::sim {

class CrossTraffic {
 public:
  virtual ~CrossTraffic() = default;

  // Frames of side 0 go by `there`, those of side 1 by `back`.  Called twice at each wake-up, before and after the lanes,
  // so that these may come anywhere among the others: a full queue favours whoever comes first.
  virtual void pump_before(std::uint64_t now_ns, LinkModel& there, LinkModel& back) = 0;
  virtual void pump_after(std::uint64_t now_ns, LinkModel& there, LinkModel& back) = 0;
  [[nodiscard]] virtual std::uint64_t deadline_ns() const = 0;
};

}  // namespace dwcp::sim
