// SPDX-License-Identifier: Apache-2.0
#include "control/handshake/link_params.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/wire/limits.h"

namespace dwcp {
namespace {

using wire::HandshakeParams;

std::string cipher_list(std::uint8_t bits) {
  std::string list;
  for (std::size_t i = 0; i < kCiphers; ++i) {
    if ((bits >> i & 1) == 0) continue;
    if (!list.empty()) list += ' ';
    list += kCipherNames[i];
  }
  return list.empty() ? "none we know" : list;
}

std::uint8_t cipher_bits(const std::vector<Cipher>& ciphers) {
  std::uint8_t bits = 0;
  for (const Cipher cipher : ciphers) bits |= cipher_bit(cipher);
  return bits;
}

HandshakeParams params_of(const LinkOffer& ours, std::uint32_t session) {
  HandshakeParams params{};
  params.version = wire::kParamsVersion;
  params.ciphers = cipher_bits(ours.ciphers);
  params.datagram_bytes = ours.datagram_bytes;
  params.session = session;
  params.flows = ours.flows;
  params.frame_window = ours.frame_window;
  params.window_bytes = ours.window_bytes;
  params.streams = ours.streams;
  params.lanes = kLanesOurs;
  params.codecs = kCodecsOurs;
  return params;
}

std::string out_of_range(const char* what, std::uint64_t said, const char* bound, std::uint64_t limit) {
  return std::string("the peer's ") + what + " (" + std::to_string(said) + ") is " + bound + ' ' + std::to_string(limit);
}

// What is the same on both sides.
expected<HandshakeParams, std::string> judge(std::span<const std::uint8_t> bytes) {
  HandshakeParams p{};
  if (bytes.size() < sizeof(p)) return unexpected<std::string>("the peer's parameters are cut short");
  std::memcpy(&p, bytes.data(), sizeof(p));
  // A later version only adds, and answers what we say.
  if (p.version < wire::kParamsVersion) return unexpected<std::string>(out_of_range("parameter version", p.version, "below", wire::kParamsVersion));
  if (p.session == 0) return unexpected<std::string>("the peer's session number is 0");
  if (p.datagram_bytes < wire::kDatagramBytesMin) {
    return unexpected<std::string>(out_of_range("datagram size", p.datagram_bytes, "below", wire::kDatagramBytesMin));
  }
  if (p.window_bytes < wire::kFrameBytesMax) {
    return unexpected<std::string>(out_of_range("first credit", p.window_bytes, "below a frame,", wire::kFrameBytesMax));
  }
  if (p.flows == 0 || p.frame_window == 0 || p.streams == 0) {
    return unexpected<std::string>("the peer takes no flows, frames or streams at all");
  }
  if (p.lanes != kLanesOurs) {
    return unexpected<std::string>("the peer has " + std::to_string(p.lanes) + " lanes, this gateway " + std::to_string(kLanesOurs));
  }
  if ((p.codecs & kCodecsOurs) == 0) return unexpected<std::string>("no version of the block codec is known to both gateways");
  return p;
}

LaneSession lane_session(std::uint32_t local, const HandshakeParams& theirs) {
  LaneSession session;
  session.local_session = local;
  session.remote_session = theirs.session;
  session.peer_datagram_bytes = theirs.datagram_bytes;
  session.peer_flows_max = theirs.flows;
  session.peer_streams = std::min<std::uint32_t>(theirs.streams, wire::kStreamsMax);
  session.peer_window_bytes = theirs.window_bytes;
  session.peer_frame_window = theirs.frame_window;
  return session;
}

LaneSession numbers_of(const RunningSession& running) {
  LaneSession session;
  session.local_session = running.local;
  session.remote_session = running.remote;
  return session;
}

// The epoch both go on with; nothing: they have not the same session, or not the same idea of it.
bool agree_epoch(const RunningSession& running, const HandshakeParams& theirs, std::uint32_t& epoch) {
  if (running.local == 0 || theirs.rekey_session != running.remote || running.sure_epoch >= kEpochMax) return false;
  if (theirs.epoch < running.sure_epoch || theirs.epoch > running.sure_epoch + 2) return false;
  epoch = std::max<std::uint32_t>(theirs.epoch, running.sure_epoch + 1);
  return true;
}

}  // namespace

HandshakeParams offer_params(const LinkOffer& ours, const RunningSession& running, std::uint32_t session) {
  HandshakeParams params = params_of(ours, session);
  if (running.local != 0 && running.sure_epoch < kEpochMax) {
    params.rekey_session = running.local;
    params.epoch = running.sure_epoch + 1;
  }
  return params;
}

expected<ParamsAnswer, std::string> answer_params(const LinkOffer& ours, const RunningSession& running, std::uint32_t session,
                                                  std::span<const std::uint8_t> theirs) {
  const auto judged = judge(theirs);
  if (!judged) return unexpected<std::string>(judged.error());
  const auto cipher = std::find_if(ours.ciphers.begin(), ours.ciphers.end(),
                                   [&](Cipher c) { return (judged->ciphers & cipher_bit(c)) != 0; });
  if (cipher == ours.ciphers.end()) {
    return unexpected<std::string>("no cipher in common: the peer takes " + cipher_list(judged->ciphers) + ", this gateway " +
                                   cipher_list(cipher_bits(ours.ciphers)));
  }
  ParamsAnswer answer{.agreed = {}, .params = params_of(ours, session)};
  answer.params.ciphers = cipher_bit(*cipher);
  answer.agreed.cipher = *cipher;
  if (agree_epoch(running, *judged, answer.agreed.epoch)) {
    answer.agreed.rekey = true;
    answer.agreed.session = numbers_of(running);
    answer.params.rekey_session = judged->rekey_session;
    answer.params.epoch = answer.agreed.epoch;
  } else {
    answer.agreed.session = lane_session(session, *judged);
  }
  return answer;
}

expected<Agreed, std::string> accept_params(const LinkOffer& ours, const HandshakeParams& offered, const RunningSession& running,
                                            std::span<const std::uint8_t> answer) {
  const auto judged = judge(answer);
  if (!judged) return unexpected<std::string>(judged.error());
  Agreed agreed;
  if (!std::has_single_bit(judged->ciphers) || (judged->ciphers & cipher_bits(ours.ciphers)) == 0) {
    return unexpected<std::string>("the peer picked a cipher that was not offered: " + cipher_list(judged->ciphers));
  }
  agreed.cipher = static_cast<Cipher>(std::countr_zero(judged->ciphers));
  if (judged->rekey_session == 0) {
    if (judged->epoch != 0) return unexpected<std::string>("the peer begins a session with an epoch other than 0");
    agreed.session = lane_session(offered.session, *judged);
    return agreed;
  }
  if (offered.rekey_session == 0 || judged->rekey_session != offered.rekey_session || judged->epoch < offered.epoch ||
      judged->epoch > offered.epoch + 1) {
    return unexpected<std::string>("the peer gives new keys to a session or epoch it was not asked to");
  }
  if (running.local != offered.rekey_session) return unexpected<std::string>("the session ended before it had its new keys");
  agreed.rekey = true;
  agreed.epoch = judged->epoch;
  agreed.session = numbers_of(running);
  return agreed;
}

}  // namespace dwcp
