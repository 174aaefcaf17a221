// SPDX-License-Identifier: Apache-2.0
// NewReno: half the window on loss, one packet more per round trip otherwise (RFC 9002 §7, which is RFC 5681 and RFC 6582
// in packet numbers that are never used twice).
//
// What is shared with Cubic: loss_based_control.h.
#pragma once

#include "dataplane/transport/loss_based_control.h"

namespace dwcp {

class NewReno final : public LossBasedControl {
 public:
  // RFC 9002 §B.1, kLossReductionFactor.
  static constexpr double kReduction = 0.5;

  explicit NewReno(const LossBasedConfig& config) noexcept : LossBasedControl(config) {}

  [[nodiscard]] const char* name() const noexcept override { return "newreno"; }

 private:
  void avoid(const AckSample& sample) noexcept override;
  void rest(const AckSample&) noexcept override {}
  void begin_avoidance() noexcept override {}
  [[nodiscard]] double reduce() noexcept override;
  void save() noexcept override {}
  void restore() noexcept override {}
};

}  // namespace dwcp
