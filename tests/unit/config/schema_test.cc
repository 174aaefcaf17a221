// SPDX-License-Identifier: Apache-2.0
#include "config/schema.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "support.h"

namespace dwcp {
namespace {

TEST(schema, docs_are_up_to_date) {
  std::ifstream stream(DWCP_CONFIG_MD, std::ios::binary);
  ASSERT_TRUE(stream) << DWCP_CONFIG_MD;
  std::ostringstream text;
  text << stream.rdbuf();
  EXPECT_EQ(text.str(), schema_markdown()) << "run `ninja config-doc`";
}

TEST(schema, example_of_the_docs_is_accepted) {
  const std::string text = schema_markdown();
  const auto begin = text.find("```toml\n") + 8;
  EXPECT_EQ(errors_of(text.substr(begin, text.find("```", begin) - begin)), "");
}

TEST(schema, rows_are_complete) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& key : schema_keys()) {
    SCOPED_TRACE(std::string(key.section) + '.' + std::string(key.name));
    EXPECT_TRUE(seen.emplace(key.section, key.name).second) << "twice";
    EXPECT_FALSE(key.doc.empty());
    EXPECT_FALSE(allowed_text(key).empty());
    EXPECT_FALSE(key.required && !key.default_text.empty()) << "required and with a default";
    EXPECT_EQ(key.default_text.empty(), key.reason.empty()) << "a default has its reason";
    EXPECT_EQ(key.type == KeyType::kInteger, key.set_integer != nullptr);
    EXPECT_EQ(key.type == KeyType::kChoice, key.set_choice != nullptr);
    EXPECT_EQ(key.type == KeyType::kBoolean, key.set_boolean != nullptr);
    EXPECT_EQ(key.type == KeyType::kText, key.set_text != nullptr);
  }
}

// Each default, written out, is accepted and changes nothing; each bound is accepted and what lies past it is not.
TEST(schema, defaults_and_bounds_are_accepted) {
  for (const auto& key : schema_keys()) {
    if (key.default_text.empty() || key.section == "service") continue;
    const auto with = [&](const std::string& value) {
      std::string text = kGood;
      const std::string header = key.section == "peer" ? "[[peer]]\n" : "[" + std::string(key.section) + "]\n";
      const std::string line = std::string(key.name) + " = " + value + '\n';
      const auto at = text.find(header);
      return at == std::string::npos ? text + header + line : text.insert(at + header.size(), line);
    };
    SCOPED_TRACE(with(std::string(key.default_text)));
    const auto written = parse_config(with(std::string(key.default_text)), "f");
    ASSERT_TRUE(written) << errors_of(with(std::string(key.default_text)));
    EXPECT_EQ(*written, *parse_config(kGood, "f"));
    if (key.type != KeyType::kInteger) continue;
    const std::string path = std::string(key.section) + '.' + std::string(key.name) + ": out of range";
    EXPECT_EQ(errors_of(with(std::to_string(key.min))).find(path), std::string::npos);
    EXPECT_EQ(errors_of(with(std::to_string(key.max))).find(path), std::string::npos);
    EXPECT_NE(errors_of(with(std::to_string(key.min - 1))).find(path), std::string::npos);
    EXPECT_NE(errors_of(with(std::to_string(key.max + 1))).find(path), std::string::npos);
    EXPECT_NE(errors_of(with("-9223372036854775808")).find(path), std::string::npos);
  }
}

// An integer setter must not narrow: the largest value reads back as itself.
TEST(schema, setters_keep_the_largest_value) {
  const auto config =
      parse_config(changed("[port]\n",
                           "[port]\nmtu_bytes = 9000\nvlan = 4094\nudp_port = 65535\n"
                           "rx_queue_packets = 32768\ntx_queue_packets = 64\n") +
                       "[transport]\nrate_max_mbps = 400000\nsession_timeout_ms = 600000\n[memory]\nrx_mib = 16384\n",
                   "f");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->port.mtu_bytes, 9000);
  EXPECT_EQ(config->port.vlan, 4094);
  EXPECT_EQ(config->port.udp_port, 65535);
  EXPECT_EQ(config->port.rx_queue_packets, 32768);
  EXPECT_EQ(config->port.tx_queue_packets, 64);
  EXPECT_EQ(config->transport.rate_max_mbps, 400000U);
  EXPECT_EQ(config->memory.rx_mib, 16384U);
}

}  // namespace
}  // namespace dwcp
