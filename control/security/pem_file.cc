// SPDX-License-Identifier: Apache-2.0
#include "control/security/pem_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dwcp {
namespace {

std::string unreadable(const std::string& path, int error) {
  // By number: a name service may not be asked once the gateway has given up its rights.
  std::string text = path + ": uid " + std::to_string(geteuid()) + " can not read it (" + std::strerror(error) + "); ";
  if (error == ENOENT) return text + "put it there or correct the path";
  if (error == EACCES || error == EPERM) return text + "give that user the right to read it and to enter its folders";
  return text + "correct the path";
}

// Instead of the terminal, where OpenSSL would ask.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

bool at_end() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

BioPtr bio_of(const PemFile& file) {
  const std::string& text = file.content.text();
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

template <typename Ptr, typename Read>
expected<std::vector<Ptr>, std::string> all_in(const PemFile& file, const char* what, Read read) {
  std::vector<Ptr> found;
  const BioPtr bio = bio_of(file);
  ERR_clear_error();
  while (auto* object = read(bio.get(), nullptr, no_passphrase, nullptr)) found.emplace_back(object);
  if (!at_end()) {
    return unexpected<std::string>(file.path + ": " + what + ' ' + std::to_string(found.size() + 1) +
                                   " in it is damaged (" + openssl_reason() + "); copy the file anew");
  }
  ERR_clear_error();
  return found;
}

}  // namespace

std::string openssl_reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(error);
  std::string text = reason ? reason : "no reason given";
  ERR_clear_error();
  return text;
}

expected<PemFile, std::string> read_pem_file(const std::string& path) {
  // Not blocking, so that a FIFO in its place does not hold the control thread up.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return unexpected<std::string>(unreadable(path, errno));
  struct stat info {};
  std::string fault;
  PemFile read_file{path, {}, 0};
  if (fstat(file, &info) != 0) {
    fault = unreadable(path, errno);
  } else if (!S_ISREG(info.st_mode)) {
    fault = path + ": is not a file; name a PEM file";
  } else if (info.st_size > static_cast<off_t>(kPemFileBytesMax)) {
    fault = path + ": is larger than 1 MiB; name a PEM file";
  } else {
    read_file.mode = info.st_mode & 07777;
    read_file.content = SecretText(static_cast<std::size_t>(info.st_size));
    std::size_t done = 0;
    for (ssize_t count = 1; count > 0 && done < read_file.content.text().size();
         done += static_cast<std::size_t>(count)) {
      count = read(file, read_file.content.data() + done, read_file.content.text().size() - done);
      if (count < 0) {
        fault = unreadable(path, errno);
        break;
      }
    }
    read_file.content.shrink(done);
  }
  close(file);
  if (!fault.empty()) return unexpected<std::string>(std::move(fault));
  return read_file;
}

expected<std::vector<X509Ptr>, std::string> certificates_in(const PemFile& file) {
  return all_in<X509Ptr>(file, "certificate", PEM_read_bio_X509);
}

expected<std::vector<CrlPtr>, std::string> crls_in(const PemFile& file) {
  return all_in<CrlPtr>(file, "revocation list", PEM_read_bio_X509_CRL);
}

expected<PkeyPtr, std::string> private_key_in(const PemFile& file) {
  const std::string& text = file.content.text();
  if (text.find("-----BEGIN ENCRYPTED PRIVATE KEY") != std::string::npos ||
      text.find("Proc-Type: 4,ENCRYPTED") != std::string::npos) {
    return unexpected<std::string>(file.path +
                                   ": the private key has a passphrase; only one without can be used: remove it "
                                   "with `openssl pkey -in FILE -out NEW` and guard the file by its mode, 0600");
  }
  const BioPtr bio = bio_of(file);
  ERR_clear_error();
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) {
    ERR_clear_error();
    return unexpected<std::string>(file.path +
                                   ": holds no private key that can be read; allowed is one in PEM "
                                   "(\"-----BEGIN PRIVATE KEY-----\"), EC, RSA or Ed25519");
  }
  return key;
}

expected<Psk, std::string> psk_in(const PemFile& file) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::string_view text = file.content.text();
  const std::size_t first = text.find_first_not_of(kBlank);
  text = first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
  const auto fault = [&](const std::string& what) {
    return unexpected<std::string>(file.path + ": " + what +
                                   "; a pre-shared key is 64 hexadecimal digits: make one with `dwcpctl pki psk`");
  };
  if (text.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
    return fault("holds something else than hexadecimal digits");
  }
  if (text.size() != 2 * kPskBytes) return fault("holds " + std::to_string(text.size()) + " digits");
  SecretText digits(text.size());  // ends where OpenSSL looks for the end
  std::copy(text.begin(), text.end(), digits.data());
  Psk psk;
  std::size_t bytes = 0;
  if (OPENSSL_hexstr2buf_ex(psk.bytes, kPskBytes, &bytes, digits.text().c_str(), '\0') != 1) return fault(openssl_reason());
  if (std::all_of(std::begin(psk.bytes), std::end(psk.bytes), [](unsigned char byte) { return byte == 0; })) return fault("holds nothing but zeros");
  return psk;
}

}  // namespace dwcp
