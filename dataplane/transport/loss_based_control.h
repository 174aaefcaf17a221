// SPDX-License-Identifier: Apache-2.0
// What the congestion controls that take loss as their signal share (RFC 9002 §7): slow start that ends by HyStart++, one
// reduction per recovery epoch and its undoing, persistent congestion, pacing, careful resume.  How the window grows once
// slow start is over, and how far it falls, is the algorithm's own: Cubic and NewReno.
//
//          HyStart++, or a loss, or resumed               reduce() once per epoch
//   slow start ─────────────────────────▶ avoidance ⟲ ──────────────────────────▶ (in recovery: no growth)
//       ▲                                     │
//       └──────── persistent congestion ──────┘
//
// The window is in bytes, and a fraction: it grows by less than a byte per ACK on long paths.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/time.h"
#include "dataplane/transport/bandwidth_filter.h"
#include "dataplane/transport/careful_resume.h"
#include "dataplane/transport/congestion_control.h"
#include "dataplane/transport/hystart.h"
#include "dataplane/transport/recovery_epoch.h"

namespace dwcp {

struct LossBasedConfig {
  std::uint32_t datagram_bytes = 1472;
  // RFC 6928.  Who chooses one of these wants to behave as other TCP senders do, at the start too.
  std::uint32_t initial_window_packets = 10;
  std::uint64_t rate_max_bytes_per_sec = 0;  // 0 = no cap
  ResumePoint resume{};                      // of an earlier session
};

class LossBasedControl : public CongestionControl {
 public:
  // RFC 9002 §7.2, kMinimumWindow.
  static constexpr std::uint32_t kMinimumWindowPackets = 2;

  explicit LossBasedControl(const LossBasedConfig& config) noexcept;

  void on_ack(const AckSample& sample) noexcept override;
  void on_lost(const AckSample& sample) noexcept override;
  void on_persistent_congestion(std::uint64_t now_ns) noexcept override;
  void on_spurious_loss(std::uint64_t bytes, std::uint64_t sent_ns) noexcept override;

  [[nodiscard]] std::uint64_t window_bytes() const noexcept override { return static_cast<std::uint64_t>(window_); }
  [[nodiscard]] std::uint64_t pacing_bytes_per_sec() const noexcept override { return pacing_; }
  [[nodiscard]] std::uint64_t bandwidth_bytes_per_sec() const noexcept override {
    return resume_.jumping() ? std::max(bandwidth_.max(), resume_.rate_bytes_per_sec()) : bandwidth_.max();
  }
  [[nodiscard]] bool starting_up() const noexcept override { return slow_start() || resume_.jumping(); }
  [[nodiscard]] const char* state_name() const noexcept override;

  [[nodiscard]] bool slow_start() const noexcept { return window_ < threshold_; }
  [[nodiscard]] const CarefulResume& resume() const noexcept { return resume_; }

 protected:
  // One congestion event: something sent at `sent_ns` was lost, or found congestion (`lost_bytes` = 0, which is never
  // undone).  Reduces the window unless the event belongs to the epoch in progress.
  void congestion_event(std::uint64_t now_ns, std::uint64_t sent_ns, std::uint64_t lost_bytes) noexcept;

  [[nodiscard]] double datagram() const noexcept { return config_.datagram_bytes; }
  [[nodiscard]] double window() const noexcept { return window_; }
  // Never shrinks.
  void grow_to(double bytes) noexcept { window_ = std::max(window_, bytes); }

  // An ACK in avoidance, the window being in full use.
  virtual void avoid(const AckSample& sample) noexcept = 0;
  // An ACK while it is not: time that is not to count.
  virtual void rest(const AckSample& sample) noexcept = 0;
  // Slow start ended without a loss: avoidance begins at this window.
  virtual void begin_avoidance() noexcept = 0;
  // A congestion event: returns the window to go on with.
  [[nodiscard]] virtual double reduce() noexcept = 0;
  // Remembers the algorithm's own state before a reduction, and goes back to it.
  virtual void save() noexcept = 0;
  virtual void restore() noexcept = 0;

 private:
  static constexpr double kUnlimited = std::numeric_limits<double>::infinity();

  [[nodiscard]] double window_min() const noexcept { return kMinimumWindowPackets * datagram(); }
  [[nodiscard]] double window_initial() const noexcept { return config_.initial_window_packets * datagram(); }
  [[nodiscard]] bool in_full_use(const AckSample& sample) const noexcept;
  void update_model(const AckSample& sample) noexcept;
  void resume_after_idle(const AckSample& sample) noexcept;
  void follow_resume(const AckSample& sample, ResumeEvent event) noexcept;
  void grow(const AckSample& sample) noexcept;
  void leave_slow_start() noexcept;
  void set_pacing(std::uint64_t smoothed_rtt_ns) noexcept;

  LossBasedConfig config_;
  CarefulResume resume_;
  HyStart hystart_;
  RecoveryEpoch epoch_;
  double window_ = 0;
  double threshold_ = kUnlimited;  // ssthresh
  double window_before_ = 0;       // the epoch's reduction
  double threshold_before_ = kUnlimited;
  std::uint64_t pacing_ = 0;

  // What the path gives: for the backlog bound, and to be remembered.
  BandwidthFilter bandwidth_;
  std::uint64_t round_end_delivered_ = 0;
  std::uint64_t min_rtt_ns_ = 0;   // 0 = none yet
  std::uint64_t last_full_ns_ = 0; // when there last was enough to send
};

}  // namespace dwcp
