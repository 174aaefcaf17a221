// SPDX-License-Identifier: Apache-2.0
// What an error message adds when the mistake can be guessed: the nearest known word, or the number that was meant.
// Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/schema.h"

namespace dwcp {

// Fewest insertions, deletions, replacements and swaps of neighbours that turn one into the other (optimal string
// alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view left, std::string_view right);

// The candidate nearest to `word`, or empty when none is near: at most a third of its letters away.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// For a string given where the integer `key` belongs: "write keepalive_ms = 1000, ..." for "1s", or what is wrong with
// its unit, or empty when the text is no quantity at all.
[[nodiscard]] std::string quantity_hint(const KeySpec& key, std::string_view text);

// For an unknown key of a section: the known key that was probably meant, with its unit or section, or empty.
[[nodiscard]] std::string unknown_key_hint(std::string_view section, std::string_view name);

}  // namespace dwcp
