// SPDX-License-Identifier: Apache-2.0
#include "tools/dwcp-gateway/link_security.h"

#include <openssl/rand.h>

#include <algorithm>
#include <ctime>

#include "base/time.h"
#include "dataplane/rings/control_message.h"

namespace dwcp {
namespace {

constexpr std::uint64_t kCookieKeyNs = 60 * kNsPerSec;

static_assert(static_cast<int>(CipherChoice::kAes128Gcm) == static_cast<int>(Cipher::kAes128Gcm) &&
              static_cast<int>(CipherChoice::kAes256Gcm) == static_cast<int>(Cipher::kAes256Gcm) &&
              static_cast<int>(CipherChoice::kChaCha20Poly1305) == static_cast<int>(Cipher::kChaCha20Poly1305));

CredentialFiles files_of(const Config& config) {
  CredentialFiles files;
  files.gateway = config.gateway.name;
  files.certificate = config.security.certificate;
  files.private_key = config.security.private_key;
  files.ca = config.security.ca;
  files.crl = config.security.crl;
  for (const PeerConfig& peer : config.peers) files.peers.push_back({.name = peer.name, .ca = peer.ca, .psk_file = peer.psk_file});
  return files;
}

// Two directions of every epoch a link can hold, and as many again on their way to be destroyed.
CryptodevConfig aead_config(const Config& config) {
  CryptodevConfig aead;
  aead.keys_max = static_cast<std::uint32_t>(2 * 2 * wire::kEpochsTold * std::max<std::size_t>(config.peers.size(), 1) + 32);
  return aead;
}

}  // namespace

std::int64_t LinkSecurity::unix_now_s() { return std::time(nullptr); }

LinkSecurity::LinkSecurity(const Config& config) : files_(files_of(config)), aead_(aead_config(config)) {
  for (const CipherChoice choice : config.security.ciphers) {
    const auto cipher = static_cast<Cipher>(choice);
    if (aead_.supports(cipher)) ciphers_.push_back(cipher);
    else missing_.push_back(aead_.why_not(cipher));
  }
}

expected<std::unique_ptr<LinkSecurity>, Error> LinkSecurity::open(const Config& config) {
  std::unique_ptr<LinkSecurity> made(new LinkSecurity(config));
  if (made->ciphers_.empty()) {
    return unexpected<Error>({ErrorCode::kCrypto, "security", made->missing_.empty() ? "no cipher" : made->missing_.front()});
  }
  auto credentials = Credentials::load(made->files_, unix_now_s());
  if (!credentials) {
    std::string lines;
    for (const std::string& line : credentials.error()) lines += (lines.empty() ? "" : "\n") + line;
    return unexpected<Error>({ErrorCode::kCredentials, "security", lines});
  }
  made->tls_ = std::make_unique<OpensslTlsFactory>(std::move(*credentials), unix_now_s);
  return made;
}

expected<std::unique_ptr<EpochKeys>, std::string> LinkSecurity::keys_of(const EpochSecrets& secrets) {
  auto keys = std::make_unique<EpochKeys>();
  keys->epoch = secrets.epoch;
  keys->cipher = secrets.cipher;
  keys->send_at_once = secrets.send_at_once;
  keys->tx_iv = secrets.tx_iv;
  keys->rx_iv = secrets.rx_iv;
  const std::size_t bytes = cipher_key_bytes(secrets.cipher);
  auto tx = aead_.make_key(secrets.cipher, std::span(secrets.tx_key).first(bytes));
  if (!tx) return unexpected<std::string>(tx.error());
  auto rx = aead_.make_key(secrets.cipher, std::span(secrets.rx_key).first(bytes));
  if (!rx) return unexpected<std::string>(rx.error());
  keys->tx = std::move(*tx);
  keys->rx = std::move(*rx);
  return keys;
}

bool LinkSecurity::cookie_key(std::uint64_t now_ns, std::uint8_t& number, CookieJar::Key& key) {
  if (now_ns < cookie_due_ns_) return false;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) return false;  // tried again in the next round
  cookie_due_ns_ = now_ns + kCookieKeyNs;
  number = ++cookie_number_;
  return true;
}

expected<void, std::vector<std::string>> LinkSecurity::reload() {
  auto credentials = Credentials::load(files_, unix_now_s());
  if (!credentials) return unexpected<std::vector<std::string>>(credentials.error());
  tls_->set_credentials(std::move(*credentials));
  return {};
}

}  // namespace dwcp
