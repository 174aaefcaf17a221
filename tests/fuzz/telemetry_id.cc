// SPDX-License-Identifier: Apache-2.0
// Contract: whatever parameters a telemetry command has, they name a number only if they are its decimal digits, leading zeros
// allowed, and nothing else.
//
// Input: the parameters.
#include <string>

#include "control/parse_id.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dwcp::fuzz::require;
  const std::string params(reinterpret_cast<const char*>(data), size);
  const std::string told = params.c_str();  // to the first zero
  const auto id = dwcp::parse_id(params.c_str());
  const bool digits = !told.empty() && told.find_first_not_of("0123456789") == std::string::npos;
  require(!id || digits);
  if (!digits) return 0;
  const std::string least = told.substr(std::min(told.find_first_not_of('0'), told.size() - 1));
  require(id ? std::to_string(*id) == least : least.size() > 20 || (least.size() == 20 && least > "18446744073709551615"));
  return 0;
}
