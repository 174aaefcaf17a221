// SPDX-License-Identifier: Apache-2.0
// Reads the files that keys and certificates come in.  Control thread and dwcpctl.
//
// A fault is one line: the file, what is wrong, what to do.  PEM blocks of other kinds in a file are passed over.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "control/security/openssl_ptr.h"

namespace dwcp {

inline constexpr std::size_t kPemFileBytesMax = 1024 * 1024;

struct PemFile {
  std::string path;
  SecretText content;
  mode_t mode = 0;  // permission bits
};

[[nodiscard]] expected<PemFile, std::string> read_pem_file(const std::string& path);

// All of a kind, in the file's order; none is no fault here.
[[nodiscard]] expected<std::vector<X509Ptr>, std::string> certificates_in(const PemFile& file);
[[nodiscard]] expected<std::vector<CrlPtr>, std::string> crls_in(const PemFile& file);
// The first one; never asks for a passphrase.
[[nodiscard]] expected<PkeyPtr, std::string> private_key_in(const PemFile& file);

// 64 hexadecimal digits, blanks and line ends around them.
inline constexpr std::size_t kPskBytes = 32;
struct Psk {
  unsigned char bytes[kPskBytes] = {};
  Psk() = default;
  Psk(const Psk& other) = default;
  Psk& operator=(const Psk& other) = default;
  ~Psk() { OPENSSL_cleanse(bytes, sizeof bytes); }
};
[[nodiscard]] expected<Psk, std::string> psk_in(const PemFile& file);

// OpenSSL's reason for the last failure, and its queue is empty afterwards.
[[nodiscard]] std::string openssl_reason();

}  // namespace dwcp
