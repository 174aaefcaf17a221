// SPDX-License-Identifier: Apache-2.0
#include "base/interval_set.h"

#include <gtest/gtest.h>

#include <set>

#include "base/rng.h"

namespace dwcp {
namespace {

using Set = IntervalSet<std::uint32_t, 8>;

TEST(interval_set, merges_neighbours) {
  Set set;
  std::uint32_t added = 0;
  EXPECT_EQ(set.insert(10, 20, added), Set::Inserted::kSome);
  EXPECT_EQ(set.insert(20, 30, added), Set::Inserted::kSome);
  EXPECT_EQ(added, 10U);
  EXPECT_EQ(set.insert(5, 10, added), Set::Inserted::kSome);
  ASSERT_EQ(set.intervals().size(), 1U);
  EXPECT_EQ(set.intervals()[0], (Set::Interval{5, 30}));
  EXPECT_EQ(set.insert(7, 29, added), Set::Inserted::kNothing);
  EXPECT_EQ(added, 0U);
}

TEST(interval_set, full_set_takes_only_what_touches) {
  Set set;
  std::uint32_t added = 0;
  for (std::uint32_t i = 0; i < 8; ++i) set.insert(i * 10, i * 10 + 2, added);
  EXPECT_TRUE(set.full());
  EXPECT_EQ(set.insert(5, 6, added), Set::Inserted::kFull);
  EXPECT_EQ(added, 0U);
  EXPECT_EQ(set.insert(2, 3, added), Set::Inserted::kSome);
  EXPECT_EQ(set.insert(3, 10, added), Set::Inserted::kSome);
  EXPECT_EQ(set.intervals().size(), 7U);
}

TEST(interval_set, reaches_the_ends_of_the_type) {
  Set set;
  std::uint32_t added = 0;
  set.insert(0, 0xffffffffU, added);
  EXPECT_EQ(added, 0xffffffffU);
  EXPECT_TRUE(set.contains(0, 0xffffffffU));
  set.erase_below(0xfffffffeU);
  EXPECT_EQ(set.intervals()[0], (Set::Interval{0xfffffffeU, 0xffffffffU}));
}

// Against std::set, by seed: every answer, after every step.
class IntervalSetModel : public testing::TestWithParam<std::uint64_t> {};

void compare(const Set& set, const std::set<std::uint32_t>& model, Rng& rng) {
  std::size_t members = 0;
  std::uint32_t end = 0;
  bool first = true;
  for (const auto& interval : set.intervals()) {
    ASSERT_LT(interval.begin, interval.end);
    ASSERT_TRUE(first || interval.begin > end);  // sorted, not touching
    first = false;
    end = interval.end;
    members += interval.end - interval.begin;
    for (std::uint32_t i = interval.begin; i < interval.end; ++i) ASSERT_TRUE(model.contains(i));
  }
  ASSERT_EQ(members, model.size());
  const auto begin = static_cast<std::uint32_t>(rng.below(100));
  const auto stop = begin + 1 + static_cast<std::uint32_t>(rng.below(20));
  std::uint32_t hole_begin = begin;
  while (hole_begin < stop && model.contains(hole_begin)) ++hole_begin;
  std::uint32_t hole_end = hole_begin;
  while (hole_end < stop && !model.contains(hole_end)) ++hole_end;
  ASSERT_EQ(set.contains(begin, stop), hole_begin == stop);
  ASSERT_EQ(set.contains(begin), model.contains(begin));
  const auto hole = set.first_hole(begin, stop);
  ASSERT_EQ(hole.end - hole.begin, hole_end - hole_begin);
  if (hole_begin != hole_end) {
    ASSERT_EQ(hole.begin, hole_begin);
  }
}

TEST_P(IntervalSetModel, agrees) {
  Rng rng(GetParam());
  Set set;
  std::set<std::uint32_t> model;
  for (int step = 0; step < 2000; ++step) {
    const auto at = static_cast<std::uint32_t>(rng.below(100));
    const std::uint64_t what = rng.below(20);
    if (what == 0) {
      set.erase_below(at);
      model.erase(model.begin(), model.lower_bound(at));
    } else if (what == 1 && !set.empty()) {
      model.erase(model.begin(), model.lower_bound(set.intervals().front().end));
      set.pop_front();
    } else {
      const auto end = at + 1 + static_cast<std::uint32_t>(rng.below(rng.chance(0.9) ? 4 : 40));
      std::set<std::uint32_t> after = model;
      for (std::uint32_t i = at; i < end; ++i) after.insert(i);
      std::uint32_t added = 0;
      const auto result = set.insert(at, end, added);
      if (result == Set::Inserted::kFull) {
        ASSERT_TRUE(set.full());
        ASSERT_EQ(added, 0U);
      } else {
        ASSERT_EQ(added, after.size() - model.size());
        ASSERT_EQ(result == Set::Inserted::kNothing, added == 0);
        model.swap(after);
      }
    }
    compare(set, model, rng);
    if (testing::Test::HasFatalFailure()) FAIL() << "seed " << GetParam() << " step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(seeds, IntervalSetModel, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace dwcp
