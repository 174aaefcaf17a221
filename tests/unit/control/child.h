// SPDX-License-Identifier: Apache-2.0
// For what a process can do to itself once only: it is done in a child, whose exit tells.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

namespace dwcp {

// noexcept: an exception must not carry the child into the parent's remaining tests.
inline int result_of(const std::function<int()>& act) noexcept { return act(); }

// The wait status of a child that ran `act` and exited with its result.
inline int run_in_child(const std::function<int()>& act) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) _exit(result_of(act));
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

// In a child: the first expectation that fails is its exit code, and a line on stderr.
#define CHILD_EXPECT(condition)                                              \
  do {                                                                       \
    if (!(condition)) {                                                      \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);   \
      return 1;                                                              \
    }                                                                        \
  } while (false)

inline std::string describe(int status) {
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "status " + std::to_string(status);
}

inline void expect_child_succeeds(const std::function<int()>& act) {
  const int status = run_in_child(act);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << describe(status);
}

}  // namespace dwcp
