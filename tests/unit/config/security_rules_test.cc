// SPDX-License-Identifier: Apache-2.0
// I5: who proves itself by certificate has one.
#include "support.h"

namespace dwcp {
namespace {

TEST(security_rules, certificates_are_needed_without_a_shared_key) {
  for (const char* key : {"certificate", "private_key", "ca"}) {
    const std::string good = kGood;
    const auto begin = good.find(std::string(key) + " = \"/etc");
    ASSERT_NE(begin, std::string::npos);
    const std::string without = good.substr(0, begin) + good.substr(good.find('\n', begin) + 1);
    const std::string errors = errors_of(without);
    EXPECT_NE(errors.find("security." + std::string(key)), std::string::npos) << errors;
    EXPECT_NE(errors.find("site-b"), std::string::npos) << errors;
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  }
}

TEST(security_rules, a_shared_key_needs_none) {
  const std::string good = kGood;
  const std::string none = good.substr(0, good.find("[security]"));
  EXPECT_NE(errors_of(none), "");
  const auto at = none.find("address = \"10.0.0.2\"");
  EXPECT_EQ(errors_of(none.substr(0, at) + "psk_file = \"/etc/dwcp/b.psk\"\n" + none.substr(at)), "");
}

TEST(security_rules, a_peer_may_have_a_ca_of_its_own) {
  std::string text = changed("ca = \"/etc/dwcp/ca.crt\"\n", "");
  EXPECT_NE(errors_of(text), "");
  const auto at = text.find("address = \"10.0.0.2\"");
  EXPECT_EQ(errors_of(text.insert(at, "ca = \"/etc/dwcp/b-ca.crt\"\n")), "");
}

TEST(security_rules, ciphers) {
  const auto with = [](const std::string& value) { return changed("[security]\n", "[security]\nciphers = \"" + value + "\"\n"); };
  const auto two = parse_config(with("chacha20-poly1305 aes-256-gcm"), "f");
  ASSERT_TRUE(two);
  EXPECT_EQ(two->security.ciphers, (std::vector{CipherChoice::kChaCha20Poly1305, CipherChoice::kAes256Gcm}));
  EXPECT_NE(errors_of(with("none")).find("no such cipher: \"none\""), std::string::npos);
  EXPECT_NE(errors_of(with("")).find("no cipher is named"), std::string::npos);
  EXPECT_NE(errors_of(with("aes-128-gcm  aes-256-gcm")).find("no such cipher: \"\""), std::string::npos);
  EXPECT_NE(errors_of(with("aes-128-gcm aes-128-gcm")).find("named twice"), std::string::npos);
}

TEST(security_rules, accounts) {
  EXPECT_EQ(errors_of(changed("[security]\n", "[security]\nuser = \"dwcp\"\n")), "");
  EXPECT_NE(errors_of(changed("[security]\n", "[security]\nuser = \"a b\"\n")).find("security.user"), std::string::npos);
  EXPECT_NE(errors_of(changed("[security]\n", "[security]\nca = \"relative\"\n")), "");
}

}  // namespace
}  // namespace dwcp
