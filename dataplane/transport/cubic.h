// SPDX-License-Identifier: Apache-2.0
// CUBIC (RFC 9438): after a loss the window returns along a cubic of time to where it was, slowly while near, and then
// beyond; so growth does not depend on the round trip as NewReno's does.  On paths where NewReno would be faster it follows
// NewReno (the TCP-friendly region, §4.3).
//
// What is shared with NewReno: loss_based_control.h.  Windows here are in datagrams, as in the RFC's formulas.
#pragma once

#include "dataplane/transport/loss_based_control.h"

namespace dwcp {

class Cubic final : public LossBasedControl {
 public:
  static constexpr double kC = 0.4;     // §5.1, in datagrams per second cubed
  static constexpr double kBeta = 0.7;  // §4.6
  // §4.3: with it the friendly region's mean window is NewReno's.
  static constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);

  explicit Cubic(const LossBasedConfig& config) noexcept : LossBasedControl(config) {}

  [[nodiscard]] const char* name() const noexcept override { return "cubic"; }

  // W_cubic, `seconds` after the epoch began (§4.2, figure 1).
  [[nodiscard]] double window_at(double seconds) const noexcept;
  [[nodiscard]] double window_max() const noexcept { return curve_.window_max; }
  // When the cubic is back at window_max, in seconds (figure 2).
  [[nodiscard]] double k() const noexcept { return curve_.k; }

 private:
  // An epoch of avoidance: all that a reduction replaces.
  struct Curve {
    double window_max = 0;      // where the cubic is flat
    double window_before = 0;   // before the last reduction: cwnd_prior
    double window_friendly = 0; // W_est
    double k = 0;
    double seconds = 0;         // of the epoch, without those in which the window was not in use (§5.8)
    bool begun = false;
  };

  void avoid(const AckSample& sample) noexcept override;
  void rest(const AckSample& sample) noexcept override { last_ack_ns_ = sample.now_ns; }
  void begin_avoidance() noexcept override;
  [[nodiscard]] double reduce() noexcept override;
  void save() noexcept override { saved_ = curve_; }
  void restore() noexcept override { curve_ = saved_; }
  void begin_epoch() noexcept;

  Curve curve_;
  Curve saved_;
  std::uint64_t last_ack_ns_ = 0;
};

}  // namespace dwcp
