// SPDX-License-Identifier: Apache-2.0
// `dwcpctl pki` as its users run it, and `openssl verify`'s word on what it makes.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "control/security/pki_show.h"
#include "control/security/pki_site.h"
#include "tls_site.h"

namespace dwcp {
namespace {

struct Done {
  int exit = -1;
  std::string text;  // stdout and stderr
};

Done run_command(const std::string& command) {
  FILE* pipe = popen(("(" + command + ") 2>&1 </dev/null").c_str(), "r");
  Done done;
  char buffer[4096];
  for (std::size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) done.text.append(buffer, count);
  const int status = pclose(pipe);
  done.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return done;
}

Done ctl(const std::string& arguments) {
  const char* program = std::getenv("DWCPCTL");
  return run_command(std::string(program ? program : "dwcpctl") + " pki " + arguments);
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

std::string serial_in(const std::string& text) {
  const std::size_t at = text.find("serial ");
  return at == std::string::npos ? "" : text.substr(at + 7, text.find_first_of(", \n", at + 7) - at - 7);
}

// A minute from now, when no whole number of days is left.
std::string shown_soon(const std::string& path) {
  return pki::show(path, std::time(nullptr) + 60).value_or("");
}

class PkiTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::getenv("DWCPCTL")) GTEST_SKIP() << "DWCPCTL does not name dwcpctl; meson test sets it";
  }
  void init() { ASSERT_EQ(ctl("init --dir " + dir).exit, 0); }
  // No file was left half-way.
  [[nodiscard]] std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
      count += entry.is_regular_file();
    return count;
  }

  Folder folder;
  std::string dir = folder.path() + "/ca";
};

TEST_F(PkiTest, init_makes_a_ca) {
  const Done done = ctl("init --dir " + dir + " --name 'Site Group 1' --days 100");
  ASSERT_EQ(done.exit, 0) << done.text;
  EXPECT_EQ(mode_of(dir), 0700U);
  EXPECT_EQ(mode_of(dir + "/ca.key"), 0600U);
  EXPECT_EQ(mode_of(dir + "/ca.crt"), 0644U);
  const Done shown = ctl("show " + dir + "/ca.crt");
  EXPECT_EQ(shown.exit, 0);
  EXPECT_HAS(shown_soon(dir + "/ca.crt"), ", 99 days left");
  for (const char* part :
       {"subject       CN=Site Group 1", "is for        a CA", "EC P-256", "DNS names     no DNS name"})
    EXPECT_HAS(shown.text, part);
  const Done text = run_command("openssl x509 -noout -text -in " + dir + "/ca.crt");
  for (const char* part : {"CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "X509v3 Basic Constraints: critical",
                           "X509v3 Key Usage: critical"})
    EXPECT_HAS(text.text, part);
}

TEST_F(PkiTest, modes_do_not_hang_on_the_umask) {
  const mode_t before = umask(0);
  init();
  umask(0777);
  EXPECT_EQ(ctl("issue site-a --dir " + dir).exit, 0);
  umask(before);
  EXPECT_EQ(mode_of(dir + "/ca.key"), 0600U);
  EXPECT_EQ(mode_of(dir + "/site-a.key"), 0600U);
  EXPECT_EQ(mode_of(dir + "/site-a.crt"), 0644U);
}

TEST_F(PkiTest, init_never_overwrites) {
  init();
  const std::string key = content_of(dir + "/ca.key");
  const Done again = ctl("init --dir " + dir);
  EXPECT_EQ(again.exit, 1);
  EXPECT_HAS(again.text, "a CA is never overwritten");
  std::filesystem::remove(dir + "/ca.crt");
  EXPECT_EQ(ctl("init --dir " + dir).exit, 1);
  EXPECT_EQ(content_of(dir + "/ca.key"), key);
  EXPECT_EQ(ctl("init --force --dir " + dir).exit, 2);  // there is no such option
}

TEST_F(PkiTest, issue_makes_what_openssl_accepts) {
  init();
  const std::string out = folder.path() + "/out";
  const Done done = ctl("issue site-a --dir " + dir + " --out " + out + " --days 10");
  ASSERT_EQ(done.exit, 0) << done.text;
  EXPECT_EQ(mode_of(out + "/site-a.key"), 0600U);
  EXPECT_EQ(mode_of(out + "/site-a.crt"), 0644U);
  for (const char* purpose : {"sslserver", "sslclient"}) {
    const Done verified = run_command("openssl verify -x509_strict -CAfile " + dir + "/ca.crt -purpose " + purpose +
                                      " -verify_hostname site-a " + out + "/site-a.crt");
    EXPECT_EQ(verified.exit, 0) << verified.text;
  }
  EXPECT_NE(
      run_command("openssl verify -CAfile " + dir + "/ca.crt -verify_hostname site-b " + out + "/site-a.crt").exit, 0);
  EXPECT_EQ(run_command("openssl pkey -noout -in " + out + "/site-a.key").exit, 0);
  const Done shown = ctl("show " + out + "/site-a.crt");
  EXPECT_HAS(shown_soon(out + "/site-a.crt"), ", 9 days left");
  for (const char* part : {"DNS names     site-a", "is for        a gateway\n", "SHA-256       "})
    EXPECT_HAS(shown.text, part);
  EXPECT_HAS(shown.text, serial_in(done.text));
}

TEST_F(PkiTest, what_is_issued_is_what_gateways_load) {
  init();
  ASSERT_EQ(ctl("issue site-a --dir " + dir).exit, 0);
  CredentialFiles files{"site-a", dir + "/site-a.crt", dir + "/site-a.key", dir + "/ca.crt", "", {{"site-b", "", ""}}};
  const auto loaded = Credentials::load(files, std::time(nullptr));
  ASSERT_TRUE(loaded) << loaded.error().front();
  EXPECT_TRUE((*loaded)->warnings(std::time(nullptr)).empty());
  EXPECT_GE((*loaded)->remaining_days(std::time(nullptr)), 729);
}

TEST_F(PkiTest, issue_overwrites_a_certificate_with_force_and_a_key_never) {
  init();
  ASSERT_EQ(ctl("issue site-a --dir " + dir).exit, 0);
  const std::string key = content_of(dir + "/site-a.key"), certificate = content_of(dir + "/site-a.crt");
  const Done refused = ctl("issue site-a --dir " + dir);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_HAS(refused.text, "is there already; --force");
  EXPECT_EQ(content_of(dir + "/site-a.crt"), certificate);
  ASSERT_EQ(ctl("issue site-a --force --dir " + dir).exit, 0);
  EXPECT_EQ(content_of(dir + "/site-a.key"), key);
  EXPECT_NE(content_of(dir + "/site-a.crt"), certificate);
  std::filesystem::remove(dir + "/site-a.key");
  EXPECT_EQ(ctl("issue site-a --dir " + dir).exit, 1);  // the certificate is there
  EXPECT_FALSE(pki::exists(dir + "/site-a.key"));
}

TEST_F(PkiTest, issue_refuses_what_is_no_name_and_the_cas_own) {
  init();
  for (const char* name : {"a/b", "../x", "-x", "'a b'", "'DNS:x,DNS:y'", "a234567890123456789012345678901234"}) {
    const Done done = ctl("issue --dir " + dir + " -- " + name);
    EXPECT_EQ(done.exit, 2) << name << done.text;
  }
  const std::string key = content_of(dir + "/ca.key");
  const Done own = ctl("issue ca --force --dir " + dir);
  EXPECT_EQ(own.exit, 2);
  EXPECT_HAS(own.text, "--out");
  EXPECT_EQ(content_of(dir + "/ca.key"), key);
  EXPECT_EQ(ctl("issue ca --dir " + dir + " --out " + folder.path()).exit, 0);
}

TEST_F(PkiTest, a_certificate_lives_no_longer_than_its_ca) {
  ASSERT_EQ(ctl("init --days 20 --dir " + dir).exit, 0);
  const Done done = ctl("issue site-a --days 30 --dir " + dir);
  EXPECT_HAS(done.text, "as long as the CA");
  EXPECT_HAS(shown_soon(dir + "/site-a.crt"), ", 19 days left");
}

TEST_F(PkiTest, a_ca_that_is_missing_mixed_up_or_expired) {
  const Done missing = ctl("issue site-a --dir " + dir);
  EXPECT_EQ(missing.exit, 1);
  EXPECT_HAS(missing.text, "dwcpctl pki init");
  init();
  const std::string other = folder.path() + "/other";
  ASSERT_EQ(ctl("init --dir " + other).exit, 0);
  std::filesystem::copy_file(other + "/ca.key", dir + "/ca.key", std::filesystem::copy_options::overwrite_existing);
  EXPECT_HAS(ctl("issue site-a --dir " + dir).text, "is not the key of the certificate");
  const auto expired = pki::issue(other, "site-a", 10, "", false, std::time(nullptr) + (pki::kCaDays + 1) * kDayS);
  ASSERT_FALSE(expired);
  EXPECT_HAS(expired.error().text, "expired on");
}

TEST_F(PkiTest, revoke_by_name_takes_all_that_was_issued_for_it) {
  init();
  std::vector<std::string> serials;
  for (const char* arguments : {"issue site-a --dir ", "issue site-a --force --dir ", "issue site-b --dir "})
    serials.push_back(serial_in(ctl(arguments + dir).text));
  const Done done = ctl("revoke site-a --dir " + dir);
  ASSERT_EQ(done.exit, 0) << done.text;
  const Done shown = ctl("show " + dir + "/ca.crl");
  EXPECT_HAS(shown.text, serials[0]);
  EXPECT_HAS(shown.text, serials[1]);
  EXPECT_EQ(shown.text.find(serials[2]), std::string::npos);
  EXPECT_HAS(shown.text, "number        1\n");
  const std::string verify = "openssl verify -crl_check -CAfile " + dir + "/ca.crt -CRLfile " + dir + "/ca.crl " + dir;
  EXPECT_HAS(run_command(verify + "/site-a.crt").text, "certificate revoked");
  EXPECT_EQ(run_command(verify + "/site-b.crt").exit, 0);
  EXPECT_EQ(mode_of(dir + "/ca.crl"), 0644U);
}

TEST_F(PkiTest, revoke_by_serial_adds_to_the_list) {
  init();
  const std::string a = serial_in(ctl("issue site-a --dir " + dir).text),
                    b = serial_in(ctl("issue site-b --dir " + dir).text);
  ASSERT_EQ(ctl("revoke " + a + " --dir " + dir).exit, 0);
  std::string lower = b;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  ASSERT_EQ(ctl("revoke " + lower + " --dir " + dir).exit, 0);
  EXPECT_HAS(ctl("revoke " + b + " --dir " + dir).text, "was revoked already");
  const Done shown = ctl("show " + dir + "/ca.crl");
  for (const std::string& part : {a, b, std::string("revoked       2\n"), std::string("number        3\n")})
    EXPECT_HAS(shown.text, part);
  const Done unknown = ctl("revoke site-x --dir " + dir);
  EXPECT_EQ(unknown.exit, 2);
  EXPECT_HAS(unknown.text, "no certificate that is valid was issued");
  EXPECT_EQ(ctl("revoke 12ab --dir " + dir).exit, 2);
}

TEST_F(PkiTest, a_list_of_another_ca_is_not_extended) {
  init();
  const std::string other = folder.path() + "/other";
  ASSERT_EQ(ctl("init --dir " + other).exit, 0);
  ASSERT_EQ(ctl("crl --dir " + other).exit, 0);
  std::filesystem::copy_file(other + "/ca.crl", dir + "/ca.crl");
  const Done done = ctl("crl --dir " + dir);
  EXPECT_EQ(done.exit, 1);
  EXPECT_HAS(done.text, "is not a list by the CA");
}

TEST_F(PkiTest, crl_renews_what_was_revoked) {
  init();
  const std::string a = serial_in(ctl("issue site-a --dir " + dir).text);
  ASSERT_EQ(ctl("revoke site-a --days 5 --dir " + dir).exit, 0);
  ASSERT_EQ(ctl("crl --days 50 --dir " + dir).exit, 0);
  const Done shown = ctl("show " + dir + "/ca.crl");
  EXPECT_HAS(shown_soon(dir + "/ca.crl"), ", 49 days left");
  for (const std::string& part : {a, std::string("number        2\n")}) EXPECT_HAS(shown.text, part);
}

TEST_F(PkiTest, two_that_revoke_at_once_both_count) {
  init();
  const std::string a = serial_in(ctl("issue site-a --dir " + dir).text),
                    b = serial_in(ctl("issue site-b --dir " + dir).text);
  const std::string command = std::string(std::getenv("DWCPCTL")) + " pki revoke --dir " + dir + ' ';
  for (int i = 0; i < 20; ++i) {
    std::filesystem::remove(dir + "/ca.crl");
    run_command(command + a + " & " + command + b + " & wait");
    const std::string text = ctl("show " + dir + "/ca.crl").text;
    EXPECT_HAS(text, a);
    EXPECT_HAS(text, b);
  }
}

TEST_F(PkiTest, psk_makes_a_key_and_never_overwrites) {
  const std::string file = folder.path() + "/key";
  const Done done = ctl("psk " + file);
  ASSERT_EQ(done.exit, 0) << done.text;
  EXPECT_EQ(mode_of(file), 0600U);
  const std::string key = content_of(file);
  EXPECT_EQ(key.size(), 65U);
  EXPECT_TRUE(psk_in(*read_pem_file(file)));
  EXPECT_EQ(done.text.find(key.substr(0, 16)), std::string::npos);
  const Done again = ctl("psk " + file);
  EXPECT_EQ(again.exit, 1);
  EXPECT_HAS(again.text, "is not overwritten");
  EXPECT_EQ(content_of(file), key);
  ASSERT_EQ(ctl("psk " + file + "2").exit, 0);
  EXPECT_NE(content_of(file + "2"), key);
}

TEST_F(PkiTest, of_two_that_write_the_same_file_one_is_told_that_it_is_there) {
  const std::string command = std::string(std::getenv("DWCPCTL")) + " pki psk " + folder.path() + "/key";
  for (int i = 0; i < 10; ++i) {
    const std::string number = std::to_string(i);
    const Done done = run_command(command + number + " & " + command + number + " & wait");
    const std::size_t made = done.text.find("a pre-shared key of 256 bits");
    ASSERT_NE(made, std::string::npos) << done.text;
    EXPECT_EQ(done.text.find("a pre-shared key of 256 bits", made + 1), std::string::npos) << done.text;
    EXPECT_HAS(done.text, "is not overwritten");
  }
}

TEST_F(PkiTest, a_link_in_the_way_is_not_followed) {
  const std::string target = folder.path() + "/target";
  std::filesystem::create_symlink(target, folder.path() + "/key");
  EXPECT_EQ(ctl("psk " + folder.path() + "/key").exit, 1);
  EXPECT_FALSE(pki::exists(target));
}

TEST_F(PkiTest, show_never_prints_a_key) {
  init();
  ASSERT_EQ(ctl("psk " + folder.path() + "/psk").exit, 0);
  const std::string key = content_of(dir + "/ca.key"), psk = content_of(folder.path() + "/psk");
  const std::string both = folder.write(key + content_of(dir + "/ca.crt"));
  const Done shown = ctl("show " + both);
  EXPECT_HAS(shown.text, "certificate\n");
  EXPECT_HAS(shown.text, "private key, not shown\n  key           EC P-256\n");
  EXPECT_EQ(shown.text.find(key.substr(40, 20)), std::string::npos);
  const Done shown_psk = ctl("show " + folder.path() + "/psk");
  EXPECT_HAS(shown_psk.text, "pre-shared key of 256 bits, not shown");
  EXPECT_EQ(shown_psk.text.find(psk.substr(0, 8)), std::string::npos);
}

TEST_F(PkiTest, show_tells_what_is_not_valid) {
  init();
  ASSERT_EQ(ctl("issue site-a --days 1 --dir " + dir).exit, 0);
  EXPECT_HAS(*pki::show(dir + "/site-a.crt", std::time(nullptr) + 2 * kDayS), ", EXPIRED");
  EXPECT_HAS(*pki::show(dir + "/site-a.crt", std::time(nullptr) - kDayS), ", NOT YET");
  EXPECT_EQ(ctl("show " + folder.write("junk")).exit, 1);
  EXPECT_EQ(ctl("show " + folder.path() + "/none").exit, 1);
}

TEST_F(PkiTest, usage_and_rights_have_their_exit_codes) {
  EXPECT_EQ(ctl("").exit, 2);
  EXPECT_EQ(ctl("init").exit, 2);
  EXPECT_EQ(ctl("init --days 0 --dir " + dir).exit, 2);
  EXPECT_EQ(ctl("init --dir " + folder.path() + "/no/such/folder").exit, 1);
  EXPECT_EQ(ctl("--help").exit, 0);
  if (geteuid() != 0) return;
  init();
  chmod(folder.path().c_str(), 0755);
  chmod(dir.c_str(), 0755);
  ASSERT_EQ(seteuid(65534), 0);
  const auto denied = pki::issue(dir, "site-a", 1, folder.path(), false, std::time(nullptr));
  const auto shown = pki::show(dir + "/ca.key", std::time(nullptr));
  const auto written = pki::write_psk(folder.path() + "/psk");
  ASSERT_EQ(seteuid(0), 0);
  for (const auto* result : {&denied, &shown, &written}) {
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().kind, pki::FaultKind::kDenied) << result->error().text;
  }
}

TEST_F(PkiTest, nothing_is_left_half_way) {
  init();
  const std::size_t before = files();
  std::filesystem::create_directory(dir + "/site-a.crt");  // so that the certificate can not be written
  const Done done = ctl("issue site-a --force --dir " + dir);
  EXPECT_EQ(done.exit, 1) << done.text;
  EXPECT_FALSE(pki::exists(dir + "/site-a.key"));
  EXPECT_EQ(files(), before + 1);  // issued/ knows of it
}

}  // namespace
}  // namespace dwcp
