// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/fake_tls.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/rng.h"

namespace dwcp::sim {
namespace {

using Bytes = std::vector<std::uint8_t>;

enum class Message : std::uint8_t { kClientHello = 1, kServerFlight, kFinished, kTickets, kAlert };
constexpr std::size_t kServerFlightBytes = 3000;
constexpr std::size_t kTicketBytes = 250;
constexpr std::size_t kMessageBytesMax = 8192;

struct MessageHeader {
  std::uint8_t type;
  be16 bytes;  // of the body
  be64 check;  // over what was said before, and this
};

std::uint64_t mix(std::uint64_t state, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) state = (state ^ byte) * 0x100000001b3U;  // FNV-1a
  return Rng(state).next();
}

void append(Bytes& to, std::span<const std::uint8_t> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

class FakeTls final : public Tls {
 public:
  FakeTls(FakeTlsSite& site, std::uint16_t peer, Bytes params) : site_(site), lane_(peer), initiator_(true) {
    hello(std::move(params));
  }
  FakeTls(FakeTlsSite& site, std::uint16_t peer, AnswerParams answer) : site_(site), lane_(peer), initiator_(false), answer_(std::move(answer)) {}

  void receive(std::span<const std::uint8_t> bytes) override {
    append(in_, bytes);
    while (state_ != TlsState::kFailed && in_.size() >= sizeof(MessageHeader)) {
      MessageHeader header;
      std::memcpy(&header, in_.data(), sizeof(header));
      if (header.bytes > kMessageBytesMax) return fail("TLS: a record is too long");
      if (in_.size() < sizeof(header) + header.bytes) return;
      const Bytes body(in_.begin() + sizeof(header), in_.begin() + static_cast<std::ptrdiff_t>(sizeof(header) + header.bytes));
      in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(sizeof(header) + header.bytes));
      std::uint64_t next = mix(transcript_, std::span(&header.type, 1));
      next = mix(next, body);
      // The first message has nothing before it that would bind it to this handshake.
      if (header.check != next) return fail("TLS: bad record MAC");
      transcript_ = next;
      take(static_cast<Message>(header.type), body);
    }
  }

  Bytes take_output() override { return std::exchange(out_, {}); }
  [[nodiscard]] TlsState state() const override { return state_; }
  [[nodiscard]] const std::string& failure() const override { return failure_; }
  [[nodiscard]] std::span<const std::uint8_t> peer_params() const override { return peer_params_; }
  [[nodiscard]] const TlsPeer& peer() const override { return peer_; }

  bool export_secret(std::span<const std::uint8_t> context, std::span<std::uint8_t> out) override {
    if (state_ != TlsState::kDone) return false;
    Rng rng(mix(secret_, context));
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(rng.next());
    return true;
  }

 private:
  void say(Message type, const Bytes& body) {
    const auto byte = static_cast<std::uint8_t>(type);
    transcript_ = mix(mix(transcript_, std::span(&byte, 1)), body);
    MessageHeader header{};
    header.type = byte;
    header.bytes = static_cast<std::uint16_t>(body.size());
    header.check = transcript_;
    append(out_, {reinterpret_cast<const std::uint8_t*>(&header), sizeof(header)});
    append(out_, body);
  }

  Bytes opening(const Bytes& params, bool resumed) {
    Bytes body(9);
    const be64 random = site_.random();
    std::memcpy(body.data(), &random, sizeof(random));
    body[8] = resumed;
    append(body, params);
    return body;
  }

  void hello(Bytes params) {
    ++site_.begun;
    say(Message::kClientHello, opening(params, site_.tickets[lane_]));
  }

  void fail(std::string why) {
    state_ = TlsState::kFailed;
    failure_ = std::move(why);
    say(Message::kAlert, bytes_of(failure_));
  }

  void take(Message type, const Bytes& body) {
    if (type == Message::kAlert) {
      state_ = TlsState::kFailed;
      failure_ = "the peer refused: " + std::string(body.begin(), body.end());
      return;
    }
    if (!initiator_ && type == Message::kClientHello && stage_ == 0 && body.size() >= 9) return take_hello(body);
    if (initiator_ && type == Message::kServerFlight && stage_ == 0 && body.size() == kServerFlightBytes) return take_flight(body);
    if (!initiator_ && type == Message::kFinished && stage_ == 1) return take_finished(body);
    if (initiator_ && type == Message::kTickets && stage_ == 1) {
      site_.tickets[lane_] = true;
      return;
    }
    fail("TLS: unexpected message");
  }

  void take_hello(const Bytes& body) {
    ++site_.begun;
    peer_.resumed = body[8] != 0;
    peer_params_.assign(body.begin() + 9, body.end());
    const auto answer = answer_(peer_params_);
    if (!answer) return fail(answer.error());
    Bytes flight = opening(*answer, peer_.resumed);
    const auto name_bytes = static_cast<std::uint8_t>(site_.name.size());
    flight.resize(kServerFlightBytes);
    flight[kServerFlightBytes - 1] = name_bytes;
    std::copy(site_.name.begin(), site_.name.end(), flight.end() - 1 - name_bytes);
    say(Message::kServerFlight, flight);
    secret_ = transcript_;
    stage_ = 1;
  }

  void take_flight(const Bytes& body) {
    const std::size_t name_bytes = std::min<std::size_t>(body.back(), 64);
    const std::string name(body.end() - 1 - static_cast<std::ptrdiff_t>(name_bytes), body.end() - 1);
    peer_.resumed = body[8] != 0;
    peer_params_.assign(body.begin() + 9, body.begin() + 9 + 36);
    if (!is_peer(name)) return;
    secret_ = transcript_;
    stage_ = 1;
    state_ = TlsState::kDone;
    say(Message::kFinished, bytes_of(site_.name));
  }

  void take_finished(const Bytes& body) {
    if (!is_peer(std::string(body.begin(), body.end()))) return;
    state_ = TlsState::kDone;
    stage_ = 2;
    say(Message::kTickets, Bytes(kTicketBytes));
  }

  bool is_peer(const std::string& name) {
    peer_.name = name;
    if (name == site_.peers[lane_]) return true;
    fail("the certificate is of another name");
    return false;
  }

  FakeTlsSite& site_;
  std::uint16_t lane_;
  bool initiator_;
  AnswerParams answer_;
  TlsState state_ = TlsState::kRunning;
  int stage_ = 0;
  std::uint64_t transcript_ = 0xcbf29ce484222325U;
  std::uint64_t secret_ = 0;
  Bytes in_, out_, peer_params_;
  std::string failure_;
  TlsPeer peer_;
};

}  // namespace

std::unique_ptr<Tls> FakeTlsFactory::initiate(std::uint16_t peer, std::span<const std::uint8_t> params) {
  return std::make_unique<FakeTls>(site_, peer, Bytes(params.begin(), params.end()));
}

std::unique_ptr<Tls> FakeTlsFactory::respond(std::uint16_t peer, AnswerParams answer) {
  return std::make_unique<FakeTls>(site_, peer, std::move(answer));
}

}  // namespace dwcp::sim
