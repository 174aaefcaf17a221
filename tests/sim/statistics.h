// SPDX-License-Identifier: Apache-2.0
// What the simulations say of many samples.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

namespace dwcp::sim {

// 0 of none.
inline double mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The sample nearest to that share of them in order; 0 of none.
inline double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

}  // namespace dwcp::sim
