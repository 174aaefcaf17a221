// SPDX-License-Identifier: Apache-2.0
#include "control/component.h"

#include <algorithm>
#include <exception>

#include "base/assert.h"
#include "base/time.h"
#include "control/loop.h"

namespace dwcp {
namespace {

// Runs one step of a component; an exception is an error like any other, and every error names its component.
template <typename Step>
expected<void, Error> guarded(const Component& component, Step&& step) {
  expected<void, Error> result;
  try {
    result = step();
  } catch (const std::exception& exception) {
    result = unexpected<Error>({ErrorCode::kInternal, "", exception.what()});
  }
  if (!result && result.error().component.empty()) result.error().component = component.name();
  return result;
}

// Reading order of the worst: failed, degraded, stopped, healthy.
int badness(HealthState state) noexcept {
  switch (state) {
    case HealthState::kHealthy:
      return 0;
    case HealthState::kStopped:
      return 1;
    case HealthState::kDegraded:
      return 2;
    case HealthState::kFailed:
      return 3;
  }
  return 3;
}

}  // namespace

std::string_view to_string(HealthState state) noexcept {
  switch (state) {
    case HealthState::kStopped:
      return "stopped";
    case HealthState::kHealthy:
      return "healthy";
    case HealthState::kDegraded:
      return "degraded";
    case HealthState::kFailed:
      return "failed";
  }
  return "failed";
}

ComponentStack::~ComponentStack() {
  DWCP_ASSERT(running_count_ == 0);
}

void ComponentStack::add(Component& component) {
  DWCP_ASSERT(running_count_ == 0);
  components_.push_back(&component);
}

expected<void, Error> ComponentStack::start(std::uint64_t unwind_ms) {
  DWCP_ASSERT(running_count_ == 0);
  for (Component* component : components_) {
    auto started = guarded(*component, [&] { return component->start(); });
    if (started) {
      ++running_count_;
      continue;
    }
    for (const Error& error : stop(unwind_ms)) started.error().detail += "; unwinding: " + error.to_string();
    return started;
  }
  return {};
}

std::vector<Error> ComponentStack::stop(std::uint64_t deadline_ms) {
  const std::uint64_t deadline_ns = Loop::now_ns() + deadline_ms * kNsPerMs;
  std::vector<Error> errors;
  while (running_count_ > 0) {
    Component* component = components_[--running_count_];
    auto stopped = guarded(*component, [&] { return component->stop(deadline_ns); });
    if (!stopped) errors.push_back(std::move(stopped.error()));
  }
  return errors;
}

Health ComponentStack::health() const {
  Health worst;
  if (!components_.empty()) worst.state = HealthState::kHealthy;
  for (const Component* component : components_) {
    Health health = component->health();
    worst.failures += health.failures;
    worst.last_change_ns = std::max(worst.last_change_ns, health.last_change_ns);
    if (badness(health.state) <= badness(worst.state)) continue;
    worst.state = health.state;
    worst.reason = std::string(component->name()) + ": " +
                   (health.reason.empty() ? std::string(to_string(health.state)) : health.reason);
  }
  return worst;
}

}  // namespace dwcp
