// SPDX-License-Identifier: Apache-2.0
#include "config/hints.h"

#include <gtest/gtest.h>

#include <array>

namespace dwcp {
namespace {

TEST(hints, edit_distance_counts_each_kind_once) {
  EXPECT_EQ(edit_distance("abc", "abc"), 0U);
  EXPECT_EQ(edit_distance("abc", "abxc"), 1U);
  EXPECT_EQ(edit_distance("abc", "ac"), 1U);
  EXPECT_EQ(edit_distance("abc", "axc"), 1U);
  EXPECT_EQ(edit_distance("abc", "acb"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(hints, nearest_has_a_limit) {
  constexpr std::array<std::string_view, 3> kWords{"balanced", "fast", "none"};
  EXPECT_EQ(nearest("balnced", kWords), "balanced");
  EXPECT_EQ(nearest("faste", kWords), "fast");
  EXPECT_EQ(nearest("zzzz", kWords), "");
  EXPECT_EQ(nearest(std::string(100'000, 'a'), kWords), "");
}

const KeySpec& key(std::string_view name) {
  for (const auto& spec : schema_keys()) {
    if (spec.name == name) return spec;
  }
  ADD_FAILURE() << name;
  return schema_keys()[0];
}

TEST(hints, quantities_are_converted) {
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "2s").substr(0, 25), "write keepalive_ms = 2000");
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "0.5 s").substr(0, 24), "write keepalive_ms = 500");
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "250"), "write keepalive_ms = 250");
  EXPECT_EQ(quantity_hint(key("tx_mib"), "1GiB").substr(0, 19), "write tx_mib = 1024");
  EXPECT_EQ(quantity_hint(key("tx_mib"), "1 s").substr(0, 8), "bad unit");
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "1us").substr(0, 22), "write keepalive_ms = N");
  EXPECT_EQ(quantity_hint(key("vlan"), "5ms"), "bad unit: vlan has none");
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "soon"), "");
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "nan"), "");
  EXPECT_EQ(quantity_hint(key("keepalive_ms"), "1e300s").substr(0, 22), "write keepalive_ms = N");
}

}  // namespace
}  // namespace dwcp
