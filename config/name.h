// SPDX-License-Identifier: Apache-2.0
// The names of gateways, peers, listeners and services; a gateway's is a DNS name of its certificate too.  Any thread.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace dwcp {

inline constexpr std::string_view kNameForm =
    "a name of 1..32 characters: letters, digits, '.', '_', '-', beginning with a letter or digit";

// Empty when it is one.
[[nodiscard]] inline std::string name_fault(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  const auto rest = [&](char c) { return alnum(c) || c == '.' || c == '_' || c == '-'; };
  if (text.empty()) return "the name is empty";
  if (text.size() > 32) return "the name is longer than 32 characters";
  if (!alnum(text[0]) || !std::all_of(text.begin(), text.end(), rest)) return "not a name";
  return {};
}

}  // namespace dwcp
