// SPDX-License-Identifier: Apache-2.0
// Component: the one interface of everything with a life, and ComponentStack, which starts them in order.
// Control thread only.
//
//   stopped --start()--> running --stop()--> stopped ...
//       ^                   |
//       +-- start() fails --+   nothing of it is left behind
//
// Invariants:
//   I1 start() either leaves the component running or leaves nothing: no thread, memory, file or handler
//   I2 stop() is called on running components only, in reverse order of start
//   I3 stop() waits no longer than its deadline; past it, it returns kStopDeadline and the process must end
//   I4 health() and metrics() are valid in both states and never wait
//
// Use: the composition root builds all components, then
//   ComponentStack stack;
//   stack.add(log); stack.add(port); stack.add(lcores);
//   if (auto started = stack.start(unwind_ms); !started) die(started.error());
//   ...
//   errors = stack.stop(deadline_ms);
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "control/error.h"

namespace dwcp {

enum class HealthState : std::uint8_t {
  kStopped,   // not started, or stopped
  kHealthy,   // does all its work
  kDegraded,  // works, but not as well as configured
  kFailed,    // does not do its work
};

[[nodiscard]] std::string_view to_string(HealthState state) noexcept;

struct Health {
  HealthState state = HealthState::kStopped;
  std::string reason;                // empty while healthy
  std::uint64_t failures = 0;        // times it became kFailed since the process began
  std::uint64_t last_change_ns = 0;  // monotonic; 0: never
};

// Takes one number: name in snake_case with its unit last.
using MetricSink = std::function<void(std::string_view name, std::uint64_t value)>;

class Component {
 public:
  virtual ~Component() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual expected<void, Error> start() = 0;
  // Drains and ends; `deadline_ns` is on Loop::now_ns()'s clock.
  [[nodiscard]] virtual expected<void, Error> stop(std::uint64_t deadline_ns) = 0;
  [[nodiscard]] virtual Health health() const = 0;
  virtual void metrics(const MetricSink& sink) const = 0;
};

class ComponentStack {
 public:
  ComponentStack() = default;
  ComponentStack(const ComponentStack&) = delete;
  ComponentStack& operator=(const ComponentStack&) = delete;

  // Every started component must have been stopped.
  ~ComponentStack();

  // Appends to the start order.  The component must outlive the stack.  Only while nothing runs.
  void add(Component& component);

  // Starts all, in order.  On failure those already started are stopped in reverse, with `unwind_ms` for all of them,
  // and the error names the component that failed; what went wrong in unwinding is appended to its detail.
  [[nodiscard]] expected<void, Error> start(std::uint64_t unwind_ms);

  // Stops all that run, in reverse, the deadline shared; goes on past failures and returns them in that order.
  [[nodiscard]] std::vector<Error> stop(std::uint64_t deadline_ms);

  [[nodiscard]] std::size_t running_count() const noexcept { return running_count_; }

  // The worst state of all components (kStopped when nothing was added), with the first reason for it as "NAME:
  // REASON".
  [[nodiscard]] Health health() const;

  [[nodiscard]] const std::vector<Component*>& components() const noexcept { return components_; }

 private:
  std::vector<Component*> components_;
  std::size_t running_count_ = 0;  // the first running_count_ components run
};

}  // namespace dwcp
