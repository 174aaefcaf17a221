// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/ecn_validator.h"

#include <algorithm>

namespace dwcp {
namespace {

// The full count whose low 32 bits are `low`, given the last one.  False when it is below it.
bool expand(std::uint64_t& count, std::uint64_t low) noexcept {
  const auto more = static_cast<std::uint32_t>(low - count);
  if (more >> 31 != 0) return false;
  count += more;
  return true;
}

}  // namespace

bool EcnValidator::on_sent(std::uint64_t now_ns, PacketNumber number, std::uint64_t pto_ns) noexcept {
  if (state_ == EcnState::kFailed) {
    if (retry_ns_ == kNever) retry_ns_ = now_ns + kRetryNs;
    if (now_ns >= retry_ns_) restart(number);
  }
  if (state_ == EcnState::kTesting) {
    if (path_sent_ == 0) test_end_ns_ = now_ns + kTestPtos * pto_ns;
    if (path_sent_ == kTestPackets || now_ns > test_end_ns_) {
      enter(EcnEvent::kTested);
      if (acked_ == 0) judge_test();
    }
  }
  if (state_ != EcnState::kTesting && state_ != EcnState::kCapable) return false;
  ++sent_;
  ++path_sent_;
  ++arrived_max_;
  return true;
}

void EcnValidator::restart(PacketNumber next) noexcept {
  enter(EcnEvent::kRestart);
  first_ = next;
  before_ = seen_;
  // What was sent before and is not accounted for may still arrive.
  arrived_max_ = std::max(arrived(), sent_);
  path_sent_ = acked_ = lost_ = 0;
}

std::uint64_t EcnValidator::on_ack(const EcnCounts* counts) noexcept {
  if (state_ == EcnState::kOff) return 0;
  const std::uint64_t ce_before = seen_.ce;
  const bool holds = counts == nullptr || take_counts(*counts);
  if (state_ == EcnState::kFailed) return 0;
  // §13.4.2.1: a count that shrinks, of a codepoint never sent, of more packets than were sent, or of fewer than were
  // acknowledged; an ACK without counts does not raise them.
  if (!holds || seen_.ect1 != before_.ect1 || arrived() > arrived_max_ || arrived() - (before_.ect0 + before_.ce) < acked_) {
    enter(EcnEvent::kViolated);
    ++violations_;
    return 0;
  }
  if (acked_ != 0 && seen_.ect0 != before_.ect0) enter(EcnEvent::kProven);
  judge_test();
  return state_ == EcnState::kCapable ? seen_.ce - ce_before : 0;
}

// False when one of them has shrunk; the others are taken all the same, so that a later path begins where these end.
bool EcnValidator::take_counts(const EcnCounts& counts) noexcept {
  const bool ect0 = expand(seen_.ect0, counts.ect0);
  const bool ect1 = expand(seen_.ect1, counts.ect1);
  const bool ce = expand(seen_.ce, counts.ce);
  return ect0 && ect1 && ce;
}

// None of the test's packets is outstanding, and none came as it was sent.
void EcnValidator::judge_test() noexcept {
  if (state_ != EcnState::kUnknown || path_sent_ == 0 || acked_ + lost_ < path_sent_ || seen_.ect0 != before_.ect0) return;
  enter(EcnEvent::kUnproven);
}

}  // namespace dwcp
