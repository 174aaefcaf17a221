// SPDX-License-Identifier: Apache-2.0
// Every fault of the files keys and certificates come in, and every warning.
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>

#include "tls_site.h"

namespace dwcp {
namespace {

const std::string kKey(64, '5');

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() { gateway.certified(ca, gateway_spec("site-a")).trusting(ca); }

  [[nodiscard]] std::vector<std::string> faults() const {
    const auto loaded = Credentials::load(gateway.files, gateway.now_unix_s);
    if (loaded) return {};
    for (const std::string& fault : loaded.error()) EXPECT_EQ(fault.find('\n'), std::string::npos) << fault;
    return loaded.error();
  }
  // Exactly one fault, with all these parts.
  void expect_fault(const std::vector<std::string>& parts) const {
    const auto found = faults();
    ASSERT_EQ(found.size(), 1U) << testing::PrintToString(found);
    for (const std::string& part : parts) EXPECT_HAS(found[0], part);
  }
  [[nodiscard]] std::vector<std::string> warnings(std::int64_t now_unix_s = kNow) const {
    const auto loaded = Credentials::load(gateway.files, gateway.now_unix_s);
    if (!loaded) return {"did not load: " + loaded.error().front()};
    return (*loaded)->warnings(now_unix_s);
  }

  Folder folder;
  Ca ca = make_ca("Test CA");
  Gateway gateway{folder, "site-a", "site-b"};
};

TEST_F(CredentialsTest, good_ones_load_without_a_warning) {
  const auto loaded = Credentials::load(gateway.files, kNow);
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_TRUE((*loaded)->has_certificate());
  EXPECT_EQ((*loaded)->not_after_unix_s(), kYear.not_after_unix_s);
  EXPECT_EQ((*loaded)->remaining_days(kNow), 265);
  EXPECT_EQ((*loaded)->remaining_days(kNow + 1), 264);
  EXPECT_EQ((*loaded)->remaining_days(kYear.not_after_unix_s + 1), -1);
  EXPECT_EQ((*loaded)->peers(), 1U);
  EXPECT_EQ((*loaded)->find_peer("site-b"), &(*loaded)->peer(0));
  EXPECT_EQ((*loaded)->find_peer("site-x"), nullptr);
  EXPECT_TRUE(warnings().empty()) << warnings().front();
}

TEST_F(CredentialsTest, a_file_that_is_not_there_or_no_file) {
  gateway.files.certificate = folder.path() + "/none";
  expect_fault({folder.path() + "/none: uid ", "can not read it (No such file or directory)", "correct the path"});
  gateway.files.certificate = folder.path();
  expect_fault({": is not a file"});
  gateway.files.certificate = folder.write(std::string(kPemFileBytesMax + 1, 'x'));
  expect_fault({"larger than 1 MiB"});
}

TEST_F(CredentialsTest, a_file_this_user_may_not_read) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody who may not";
  chmod(folder.path().c_str(), 0755);
  ASSERT_EQ(seteuid(65534), 0);
  const auto found = faults();
  ASSERT_EQ(seteuid(0), 0);
  ASSERT_FALSE(found.empty());
  EXPECT_HAS(found[0],
             gateway.files.certificate + ": uid 65534 can not read it (Permission denied); give that user the right");
}

TEST_F(CredentialsTest, no_pem) {
  const std::string junk = folder.write("junk\n");
  auto files = gateway.files;
  gateway.files.certificate = junk;
  expect_fault({junk + ": holds no certificate; allowed is PEM"});
  gateway.files = files;
  gateway.files.private_key = junk;
  expect_fault({junk + ": holds no private key"});
  gateway.files = files;
  gateway.files.ca = junk;
  expect_fault({junk + ": holds no CA certificate"});
  gateway.files = files;
  gateway.files.crl = junk;
  expect_fault({junk + ": holds no revocation list"});
}

TEST_F(CredentialsTest, damaged_pem) {
  std::string pem = pki::to_pem(ca.certificate.get());
  pem += pem;
  pem.erase(pem.size() - 60, 8);
  gateway.files.ca = folder.write(pem);
  expect_fault({": certificate 2 in it is damaged"});
}

TEST_F(CredentialsTest, a_key_with_a_passphrase) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const PkeyPtr key = pki::make_key();
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_128_cbc(), "word", 4, nullptr, nullptr), 1);
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  gateway.files.private_key = folder.write(std::string(data, static_cast<std::size_t>(bytes)));
  expect_fault({"the private key has a passphrase"});
}

TEST_F(CredentialsTest, the_key_of_another_certificate) {
  gateway.files.private_key = folder.write(pki::to_pem(pki::make_key().get()).text());
  expect_fault({gateway.files.private_key + ": is not the key of the certificate in " + gateway.files.certificate});
}

TEST_F(CredentialsTest, a_certificate_for_another_name) {
  gateway.certified(ca, gateway_spec("site-x"));
  expect_fault({"\"CN=site-x\" is for site-x, not for gateway.name \"site-a\""});
}

TEST_F(CredentialsTest, a_certificate_not_yet_valid_or_expired) {
  gateway.now_unix_s = kYear.not_before_unix_s - 1;
  expect_fault({"is not valid before 2026-10-07", "set the clock"});
  gateway.now_unix_s = kYear.not_after_unix_s + 1;
  expect_fault({"expired on 2027-10-07", "issue a new one"});
}

TEST_F(CredentialsTest, a_certificate_for_one_side_only) {
  auto spec = gateway_spec("site-a");
  spec.server_auth = false;
  gateway.certified(ca, spec);
  expect_fault({"may not be used for both sides of TLS"});
}

TEST_F(CredentialsTest, a_weak_key) {
  const PkeyPtr weak(EVP_RSA_gen(1024));
  const X509Ptr certificate =
      pki::make_certificate(gateway_spec("site-a"), weak.get(), ca.certificate.get(), ca.key.get());
  gateway.files.certificate = folder.write(pki::to_pem(certificate.get()));
  gateway.files.private_key = folder.write(pki::to_pem(weak.get()).text());
  expect_fault({"can not be used (ee key too small)", "RSA from 2048 bits"});
}

TEST_F(CredentialsTest, too_many_certificates) {
  std::string pem = pki::to_pem(gateway.certificate.get());
  for (int i = 0; i < 90; ++i) pem += pki::to_pem(ca.certificate.get());
  gateway.files.certificate = folder.write(pem);
  expect_fault({"at most 32768 fit a handshake"});
}

TEST_F(CredentialsTest, a_bundle_with_what_is_no_ca) {
  gateway.files.ca = gateway.files.certificate;
  expect_fault({"\"CN=site-a\" is not that of a CA"});
}

TEST_F(CredentialsTest, what_is_needed_and_not_set) {
  auto files = gateway.files;
  gateway.files.certificate.clear();
  expect_fault({"security.certificate: is not set"});
  gateway.files = files;
  gateway.files.private_key.clear();
  expect_fault({"security.private_key: is not set"});
  gateway.files = files;
  gateway.files.ca.clear();
  expect_fault({"peer \"site-b\": has neither psk_file nor ca"});
  gateway.files = {};
  gateway.files.gateway = "site-a";
  gateway.files.peers.push_back({"site-b", "", folder.write(kKey)});
  EXPECT_TRUE(faults().empty());
}

TEST_F(CredentialsTest, names_that_certificates_can_not_tell_apart) {
  gateway.files.peers.push_back({"SITE-b", "", ""});
  expect_fault({"peer \"SITE-b\": is the name of \"site-b\" too"});
  gateway.files.peers.back().name = "Site-A";
  expect_fault({"peer \"Site-A\": is the name of \"site-a\" too"});
}

TEST_F(CredentialsTest, pre_shared_keys) {
  const auto with = [&](const std::string& content) { gateway.files.peers[0].psk_file = folder.write(content); };
  for (const std::string& good : {kKey, kKey + "\n", "\r\n " + kKey + "\t\r\n",
                                  std::string("0123456789abcdefABCDEF0123456789") + std::string(32, 'f')}) {
    with(good);
    EXPECT_TRUE(faults().empty()) << good;
  }
  with(kKey.substr(1));
  expect_fault({"holds 63 digits; a pre-shared key is 64 hexadecimal digits"});
  with(kKey + "5");
  expect_fault({"holds 65 digits"});
  with("");
  expect_fault({"holds 0 digits"});
  with(kKey.substr(1) + "g");
  expect_fault({"something else than hexadecimal digits"});
  with(kKey.substr(32) + " " + kKey.substr(32));
  expect_fault({"something else than hexadecimal digits"});
  with(std::string(64, '0'));
  expect_fault({"nothing but zeros"});
}

TEST_F(CredentialsTest, no_fault_tells_a_key) {
  gateway.files.peers[0].psk_file = folder.write("c0ffee" + kKey);
  for (const std::string& fault : faults()) EXPECT_EQ(fault.find("c0ffee"), std::string::npos);
}

TEST_F(CredentialsTest, one_key_for_two_peers) {
  gateway.files.peers[0].psk_file = folder.write(kKey);
  gateway.files.peers.push_back({"site-c", "", folder.write(kKey + "\n")});
  expect_fault({"holds the key of peer \"site-b\" too"});
}

TEST_F(CredentialsTest, all_faults_are_told_at_once) {
  gateway.files.private_key = folder.path() + "/none";
  gateway.files.ca = folder.write("junk");
  gateway.files.crl = folder.write("junk");
  EXPECT_EQ(faults().size(), 3U);
}

TEST_F(CredentialsTest, warns_of_keys_open_to_others) {
  chmod(gateway.files.private_key.c_str(), 0644);
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_HAS(warnings()[0],
             gateway.files.private_key + ": the private key can be read by every user of this machine; chmod 0600");
  chmod(gateway.files.private_key.c_str(), 0640);
  EXPECT_TRUE(warnings().empty());
  gateway.files.peers.push_back({"site-c", "", folder.write(kKey, 0604)});
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_HAS(warnings()[0], "the pre-shared key can be read");
  chmod(gateway.files.ca.c_str(), 0666);
  ASSERT_EQ(warnings().size(), 2U);
}

TEST_F(CredentialsTest, warns_thirty_days_before_anything_expires) {
  gateway.knowing(crl_pem(ca, {}, {kYear.not_before_unix_s, kNow + 60 * kDayS}));
  EXPECT_TRUE(warnings(kNow + 30 * kDayS).empty());
  auto found = warnings(kNow + 30 * kDayS + 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_HAS(found[0], "the revocation list by \"CN=Test CA\" expires in 29 days");
  found = warnings(kNow + 61 * kDayS);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_HAS(found[0], "expired on");
  EXPECT_EQ(warnings(kYear.not_after_unix_s - 30 * kDayS).size(), 1U);  // the list's alone
  found = warnings(kYear.not_after_unix_s - kDayS);
  ASSERT_EQ(found.size(), 3U);  // our certificate, the list, the CA
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const std::string& text) {
    return text.find("\"CN=site-a\" expires in 1 days") != std::string::npos;
  }));
}

}  // namespace
}  // namespace dwcp
