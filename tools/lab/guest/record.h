// SPDX-License-Identifier: Apache-2.0
// One JSON record of about 1 KB.  Its text is a function of (id, rev) alone, so that any copy can be checked for damage.
// The head (balance, cart, session) changes with every rewrite, the tail (name, text) never does.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace guest {

inline uint64_t mix(uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

inline void append_words(std::string& text, uint64_t seed, int words) {
  static constexpr const char* kWords[64] = {
      "copper", "harbour", "lantern", "meadow", "orchard", "pebble", "quarry",  "ribbon", "saddle", "timber", "umbrella",
      "velvet", "willow",  "anchor",  "barley", "candle",  "drizzle", "ember",  "fiddle", "granite", "hollow", "island",
      "jacket", "kettle",  "ladder",  "marble", "needle",  "oyster", "paper",   "quiver", "raven",  "silver", "thunder",
      "urchin", "valley",  "walnut",  "yonder", "zephyr",  "amber",  "bridge",  "cotton", "desert", "engine", "forest",
      "garden", "hammer",  "inkwell", "juniper", "kitten", "linen",  "mirror",  "nutmeg", "opal",   "pillow", "quilt",
      "river",  "summer",  "teapot",  "upland", "violin",  "winter", "xylem",   "yellow", "zinc"};
  uint64_t state = seed;
  for (int i = 0; i < words; ++i) {
    if (i % 10 == 0) state = mix(state + 1);
    text += kWords[(state >> (i % 10 * 6)) & 63];
    if (i + 1 < words) text += ' ';
  }
}

inline void render_record(std::string& text, uint64_t id, uint64_t rev) {
  const uint64_t now = mix(id << 32 | rev);
  const uint64_t own = mix(id);
  char part[400];
  snprintf(part, sizeof part,
           R"({"id":%llu,"rev":%llu,"balance":%llu.%02llu,"visits":%llu,"seen":%llu,"cart":[%llu,%llu,%llu],)"
           R"("session":"%016llx%016llx",)",
           10000000ULL + id, 10000000ULL + rev, 100000ULL + now % 900000, now >> 40 & 63, 1000000ULL + rev * 3,
           1700000000ULL + rev * 61 + own % 50, 100000ULL + (now >> 8) % 800000, 100000ULL + (now >> 20) % 800000,
           100000ULL + (now >> 32) % 800000, static_cast<unsigned long long>(now),
           static_cast<unsigned long long>(mix(now)));
  text = part;
  snprintf(part, sizeof part, R"("mail":"user.%llu@example.net","key":"%016llx%016llx","name":")",
           static_cast<unsigned long long>(id), static_cast<unsigned long long>(own),
           static_cast<unsigned long long>(mix(own)));
  text += part;
  append_words(text, own, 2);
  text += R"(","tags":[")";
  append_words(text, own + 7, 1);
  text += R"("],"bio":")";
  append_words(text, own + 13, 90);
  text += R"("})";
}

inline void render_key(std::string& text, uint64_t id) { text = "user:" + std::to_string(id); }

}  // namespace guest
