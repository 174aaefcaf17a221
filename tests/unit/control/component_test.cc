// SPDX-License-Identifier: Apache-2.0
#include "control/component.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>

#include "base/time.h"
#include "control/loop.h"

namespace dwcp {
namespace {

// Writes what is done to it into a journal, and fails where it is told to.
class Part final : public Component {
 public:
  Part(std::string name, std::string& journal) : name_(std::move(name)), journal_(journal) {}

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] expected<void, Error> start() override {
    journal_ += '+' + name_;
    if (throw_in_start) throw std::runtime_error("boom");
    if (fail_start) return unexpected<Error>({ErrorCode::kListen, "", "port 4444 is taken"});
    memory_ = std::make_unique<int>(1);
    health_.state = HealthState::kHealthy;
    return {};
  }
  [[nodiscard]] expected<void, Error> stop(std::uint64_t deadline_ns) override {
    journal_ += '-' + name_;
    deadline = deadline_ns;
    memory_.reset();
    health_.state = HealthState::kStopped;
    if (fail_stop) return unexpected<Error>({ErrorCode::kStopDeadline, "", "still busy"});
    return {};
  }
  [[nodiscard]] Health health() const override { return health_; }
  void metrics(const MetricSink& sink) const override { sink("running", memory_ ? 1 : 0); }

  bool fail_start = false, throw_in_start = false, fail_stop = false;
  std::uint64_t deadline = 0;
  Health health_;

 private:
  std::string name_;
  std::string& journal_;
  std::unique_ptr<int> memory_;
};

struct Stack {
  Stack() {
    for (Part* part : {&a, &b, &c}) stack.add(*part);
  }
  std::string journal;
  Part a{"a", journal}, b{"b", journal}, c{"c", journal};
  ComponentStack stack;
};

TEST(component, starts_in_order_and_stops_in_reverse) {
  Stack s;
  ASSERT_TRUE(s.stack.start(100));
  EXPECT_EQ(s.stack.running_count(), 3U);
  EXPECT_TRUE(s.stack.stop(100).empty());
  EXPECT_EQ(s.journal, "+a+b+c-c-b-a");
  EXPECT_EQ(s.stack.running_count(), 0U);
}

TEST(component, failed_start_unwinds_and_names_the_cause) {
  Stack s;
  s.b.fail_start = true;
  const auto started = s.stack.start(100);
  ASSERT_FALSE(started);
  EXPECT_EQ(s.journal, "+a+b-a");
  EXPECT_EQ(s.stack.running_count(), 0U);
  EXPECT_EQ(started.error().code, ErrorCode::kListen);
  EXPECT_EQ(started.error().component, "b");
  EXPECT_EQ(started.error().to_string(),
            "b: port 4444 is taken [listen]; see who holds the address with ss -ltnp, or ss -lxp");
}

TEST(component, a_thrown_start_is_a_failed_start) {
  Stack s;
  s.c.throw_in_start = true;
  const auto started = s.stack.start(100);
  ASSERT_FALSE(started);
  EXPECT_EQ(s.journal, "+a+b+c-b-a");
  EXPECT_EQ(started.error().code, ErrorCode::kInternal);
  EXPECT_EQ(started.error().detail, "boom");
}

TEST(component, what_goes_wrong_in_unwinding_is_told_too) {
  Stack s;
  s.c.fail_start = true;
  s.a.fail_stop = true;
  const auto started = s.stack.start(100);
  ASSERT_FALSE(started);
  EXPECT_EQ(s.journal, "+a+b+c-b-a");
  EXPECT_NE(started.error().detail.find("unwinding: a: still busy [stop_deadline]"), std::string::npos)
      << started.error().detail;
}

TEST(component, stop_goes_on_past_failures_under_one_deadline) {
  Stack s;
  s.b.fail_stop = true;
  ASSERT_TRUE(s.stack.start(100));
  const std::uint64_t before = Loop::now_ns();
  const auto errors = s.stack.stop(5000);
  EXPECT_EQ(s.journal, "+a+b+c-c-b-a");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].component, "b");
  EXPECT_EQ(s.a.deadline, s.c.deadline);
  EXPECT_GE(s.a.deadline, before + 5000 * kNsPerMs);
  EXPECT_LE(s.a.deadline, Loop::now_ns() + 5000 * kNsPerMs);
}

TEST(component, restarts_a_hundred_times) {
  Stack s;
  for (int round = 0; round < 100; ++round) {
    s.c.fail_start = round % 2 == 1;
    ASSERT_EQ(s.stack.start(100).has_value(), round % 2 == 0);
    ASSERT_TRUE(s.stack.stop(100).empty());
  }
  EXPECT_EQ(std::count(s.journal.begin(), s.journal.end(), '+'), 300);
  EXPECT_EQ(std::count(s.journal.begin(), s.journal.end(), '-'), 250);
}

TEST(component, health_is_the_worst_part_and_its_reason) {
  Stack s;
  EXPECT_EQ(s.stack.health().state, HealthState::kStopped);
  ASSERT_TRUE(s.stack.start(100));
  EXPECT_EQ(s.stack.health().state, HealthState::kHealthy);
  s.a.health_ = {HealthState::kDegraded, "slow", 0, 0};
  s.c.health_ = {HealthState::kFailed, "dead", 2, 9};
  EXPECT_EQ(s.stack.health().state, HealthState::kFailed);
  EXPECT_EQ(s.stack.health().reason, "c: dead");
  EXPECT_EQ(s.stack.health().failures, 2U);
  s.c.health_.state = HealthState::kHealthy;
  EXPECT_EQ(s.stack.health().reason, "a: slow");
  EXPECT_TRUE(s.stack.stop(100).empty());
}

TEST(component, every_error_has_a_name_and_advice) {
  for (std::size_t i = 0; i < kErrorCodeCount; ++i) {
    const auto& info = error_info(static_cast<ErrorCode>(i));
    EXPECT_FALSE(info.name.empty());
    EXPECT_FALSE(info.advice.empty());
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(info.name, error_info(static_cast<ErrorCode>(j)).name);
  }
}

}  // namespace
}  // namespace dwcp
