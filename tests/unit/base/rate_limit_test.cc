// SPDX-License-Identifier: Apache-2.0
#include "base/rate_limit.h"

#include <gtest/gtest.h>

namespace dwcp {
namespace {

TEST(rate_limit, a_burst_and_then_the_even_rate) {
  RateLimit limit(1000, 8);
  int admitted = 0;
  for (int i = 0; i < 100; ++i) admitted += limit.admit(5000);
  EXPECT_EQ(admitted, 8);
  EXPECT_FALSE(limit.admit(5999));
  EXPECT_TRUE(limit.admit(6000));
  EXPECT_FALSE(limit.admit(6000));
  admitted = 0;
  for (std::uint64_t now = 7000; now < 107'000; now += 10) admitted += limit.admit(now);
  EXPECT_EQ(admitted, 100);
  admitted = 0;
  for (int i = 0; i < 100; ++i) admitted += limit.admit(1'000'000);
  EXPECT_EQ(admitted, 8);  // rest saves up no more than a burst
}

}  // namespace
}  // namespace dwcp
