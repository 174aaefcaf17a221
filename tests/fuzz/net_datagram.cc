// SPDX-License-Identifier: Apache-2.0
// Contract: whatever datagrams come to a net lcore, from peers or strangers, in whatever bursts and time, it answers a stranger
// nothing and a handshake by no more bytes than came, hands up no handshake packet that has not shown a cookie of ours or an
// attempt of ours but few knocks, and gives back every buffer, frame, key and session it was given.
//
// The seal is the lab's checksum, so that the fuzzer is a peer that holds the keys where it wants to be.
//
// Input: steps.  The low three bits of the first byte say what:
//   0: a byte l, l x 8 bytes: a datagram of the peer's       1: the same of a stranger's
//   2: stream and epoch bits (a byte), number (be16 added to the last, or be32 with bit 3), l, l x 8 bytes of chunks: sealed
//   3: kind (a byte), l, l x 8 bytes: a handshake packet; bit 3: with the cookie last heard; bit 4: of our attempt
//   4: a byte t: t ms pass     5: control: bit 3 starts a session, bit 4 gives new keys, bit 5 ends it, bit 6 asks, bit 7 a new
//   cookie key                 6: what the codec was lent comes back; bit 3: a flow is opened, bit 4: the last is reset
//   7: the packets so far come in one burst; without it each comes by itself
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"
#include "dataplane/lcore/net_role.h"
#include "fuzz_port.h"
#include "input.h"
#include "tests/sim/lab_seal.h"

namespace {

using namespace dwcp;
using fuzz::require;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kUdpPort = 4700;
constexpr MacAddress kOurMac = {2, 0, 0, 0, 0, 1}, kTheirMac = {2, 0, 0, 0, 0, 2};
const inet::SocketAddress kUs{inet::IpAddress::v4({192, 0, 2, 1}), kUdpPort};
const inet::SocketAddress kPeer{inet::IpAddress::v4({192, 0, 2, 2}), kUdpPort};
const inet::SocketAddress kStranger{inet::IpAddress::v4({192, 0, 2, 3}), kUdpPort};

NetRoleConfig net_config() {
  NetRoleConfig net;
  net.host.mac = kOurMac;
  net.host.v4 = inet::Prefix{kUs.ip, 24};
  net.udp_port = kUdpPort;
  net.peers = {kPeer};
  net.lane.streams = 2;
  net.lane.flows_max = 2;
  net.lane.rx_arena_bytes = Lane::flow_places(net.lane) * 2 * wire::kFrameBytesMax;
  net.lane.rx_frames_max = 32;
  net.lane.tx_frames_max = 4;
  net.lane.packets_max = 8 * SentPage::kRecords;
  net.session_timeout_ns = 2 * kNsPerSec;
  return net;
}

// One for all inputs, since building it costs more than an input: each begins a while later, with a cookie key of its own, and
// leaves no session.
struct Bench {
  fuzz::FuzzPort port{kOurMac};
  MigrationTable migrations{2};
  ControlNetRings control;
  CodecNetRings codec{4, 32, Lane::flow_places(net_config().lane)};
  NetRole net{net_config(), port, migrations, control, {&codec}};
  CookieJar jar;
  std::uint64_t now_ns = kNsPerSec;
  std::uint64_t attempt = 0;
  std::uint8_t cookie_key = 0;
  std::uint32_t session = 0, next_session = kLanesMax, epoch = 0, number = 0;
  bool starting = false, asked = false;
  std::uint64_t knocks_from_ns = 0;
  std::size_t knocks = 0;
  std::vector<NetToCodec> lent;
  FlowRef flow;

  // So that the next hop is known.
  void begin() {
    now_ns += 60 * kNsPerSec;
    arp();
    new_cookie_key();
    attempt = 0;
    step();
    step();
    knocks_from_ns = now_ns, knocks = 0;
  }

  void arp() {
    std::array<std::uint8_t, sizeof(inet::EthernetHeader) + sizeof(inet::ArpPacket)> frame;
    (void)new (frame.data()) inet::EthernetHeader{kOurMac, kTheirMac, std::uint16_t{0x0806}};
    (void)new (frame.data() + sizeof(inet::EthernetHeader)) inet::ArpPacket{std::uint16_t{1}, std::uint16_t{0x0800}, 6, 4, inet::kArpReply,
                                                                       kTheirMac, {192, 0, 2, 2}, kOurMac, {192, 0, 2, 1}};
    port.put(frame);
  }

  void new_cookie_key() {
    ControlToNet message{.kind = ControlToNetKind::kCookieKey, .session = ++cookie_key};
    message.cookie_key.fill(cookie_key);
    jar.set_key(cookie_key, message.cookie_key);
    require(control.to_net.push(message));
  }

  void put(const inet::SocketAddress& from, std::span<const std::uint8_t> payload) {
    inet::UdpTemplate header(kTheirMac, 0, from, kUs);
    header.set_destination_mac(kOurMac);
    Bytes frame(header.size() + payload.size());
    std::copy(payload.begin(), payload.end(), frame.begin() + static_cast<std::ptrdiff_t>(header.size()));
    header.write(frame.data(), static_cast<std::uint16_t>(payload.size()), 0, inet::ChecksumMode::kSoftware);
    if (port.waiting.size() < 2 * kBurstMax) port.put(frame);
  }

  void step() {
    (void)net.step(now_ns += 20 * kNsPerUs);
    take_control();
    NetToCodec message;
    while (codec.to_codec.pop(message)) {
      if (message.kind == NetToCodecKind::kFrame) lent.push_back(message);
      if (message.kind == NetToCodecKind::kFlowOpened || message.kind == NetToCodecKind::kFlowArrived) flow = message.flow;
    }
  }

  void take_control() {
    NetToControl message;
    while (control.to_control.pop(message)) {
      if (message.kind == NetToControlKind::kHandshake) check_handshake(message.packet.span());
      if (message.kind == NetToControlKind::kStarted) {
        require(starting && message.session == session);
        starting = false;
      }
      if (message.kind == NetToControlKind::kLaneLost && message.session == session) session = 0;
      dispose(message);
    }
  }

  void check_handshake(std::span<const std::uint8_t> packet) {
    require(packet.size() >= sizeof(wire::HandshakeHeader) && packet.size() <= wire::kHandshakePacketBytesMax);
    const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
    require(header.type == wire::type_byte(wire::PacketType::kHandshake) && header.length == packet.size() - sizeof(header));
    switch (static_cast<wire::HandshakeKind>(header.kind)) {
      case wire::HandshakeKind::kInitiator: return require(header.attempt != 0 && jar.check(subject(), header.cookie));
      case wire::HandshakeKind::kCookie:
      case wire::HandshakeKind::kResponder: return require(header.attempt != 0 && header.attempt == attempt);
      case wire::HandshakeKind::kKnock: return require(++knocks <= 1 + (now_ns - knocks_from_ns) / (100 * kNsPerMs));
      default: require(false);
    }
  }

  [[nodiscard]] static std::array<std::uint8_t, CookieJar::kSubjectBytes> subject() {
    std::array<std::uint8_t, CookieJar::kSubjectBytes> made{};
    std::memcpy(made.data(), kPeer.ip.bytes.data(), kPeer.ip.bytes.size());
    std::memcpy(made.data() + kPeer.ip.bytes.size(), &kPeer.port, sizeof(kPeer.port));
    return made;
  }

  // Steps with what has come, and bounds the answer to handshakes.
  void come() {
    std::size_t bytes = 0;
    for (const std::uint32_t length : port.lengths) bytes += length - (sizeof(inet::EthernetHeader) + sizeof(inet::Ipv4Header) + sizeof(inet::UdpHeader));
    const std::size_t before = port.handshake_bytes;
    step();
    require(asked || port.handshake_bytes - before <= bytes);
    asked = false;
  }

  std::unique_ptr<EpochKeys> keys() {
    auto made = std::make_unique<EpochKeys>();
    made->epoch = epoch;
    made->tx = std::make_unique<UnencryptedLabKey>();
    made->rx = std::make_unique<UnencryptedLabKey>();
    return made;
  }

  void start() {
    if (starting) return;
    LaneSession made;
    session = made.local_session = next_session += kLanesMax;
    made.remote_session = 78;
    made.opens_odd_flows = true;
    made.peer_flows_max = 2;
    made.peer_streams = 2;
    made.peer_window_bytes = Lane::window_initial(net.config().lane);
    made.peer_frame_window = Lane::frame_window(net.config().lane);
    epoch = number = 0;
    starting = true;
    auto* begun = new LaneStart{.session = made, .streams = net.make_streams(0, made), .keys = keys()};
    require(control.to_net.push({.kind = ControlToNetKind::kStart, .lane = 0, .start = begun}));
  }

  void tell(std::uint8_t what) {
    now_ns += 5 * kNsPerMs;  // the control thread's turn
    if ((what & 8) != 0) start();
    if ((what & 16) != 0 && session != 0 && !starting) {
      ++epoch;
      require(control.to_net.push({.kind = ControlToNetKind::kRekey, .lane = 0, .session = session, .keys = keys().release()}));
    }
    if ((what & 32) != 0 && !starting) require(control.to_net.push({.kind = ControlToNetKind::kStop, .reason = EndReason::kShutdown, .lane = 0}));
    if ((what & 64) != 0) {
      wire::HandshakeHeader ask{};
      ask.type = wire::type_byte(wire::PacketType::kHandshake);
      ask.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kAsk);
      ask.attempt = ++attempt;
      ControlToNet message{.kind = ControlToNetKind::kHandshake, .lane = 0};
      message.packet.assign({reinterpret_cast<const std::uint8_t*>(&ask), sizeof(ask)});
      require(control.to_net.push(message));
      asked = true;
    }
    if ((what & 128) != 0) new_cookie_key();
    come();
  }

  void give_back() {
    for (const NetToCodec& frame : lent) require(codec.to_net.push({.flow = frame.flow, .rx_slot = frame.rx_slot, .kind = CodecToNetKind::kConsume}));
    lent.clear();
  }

  void end() {
    port.waiting.clear();
    port.lengths.clear();
    for (int i = 0; i < 8; ++i) {
      give_back();
      if (!starting && session != 0) require(control.to_net.push({.kind = ControlToNetKind::kStop, .reason = EndReason::kShutdown, .lane = 0}));
      now_ns += kNsPerSec;
      step();
    }
    require(session == 0 && !starting && net.lane(0).drained() && lent.empty());
    require(net.lane(0).rx_frames_free() == net.config().lane.rx_frames_max);
  }
};

// True: what was put comes at once.
bool put_step(Bench& bench, std::uint8_t what, fuzz::Input& input) {
  switch (what & 7) {
    case 0: bench.put(kPeer, input.take(input.byte() * std::size_t{8})); return true;
    case 1: bench.put(kStranger, input.take(input.byte() * std::size_t{8})); return true;
    case 2: {
      wire::PacketHeader header{.type = wire::type_byte(wire::PacketType::kData), .stream = input.byte(), .session = bench.session, .number = 0};
      const bool wide = (what & 8) != 0;
      bench.number = wide ? input.be32() : bench.number + 1 + input.be16() % 256;
      header.number = bench.number;
      const auto chunks = input.take(std::min<std::size_t>(input.byte() * 8U, 1400));
      Bytes packet(sizeof(header) + chunks.size() + wire::kSealBytes);
      std::memcpy(packet.data(), &header, sizeof(header));
      std::copy(chunks.begin(), chunks.end(), packet.begin() + sizeof(header));
      sim::seal(packet.data(), sizeof(header) + chunks.size());
      bench.put(kPeer, packet);
      return true;
    }
    case 3: {
      wire::HandshakeHeader header{};
      header.type = wire::type_byte(wire::PacketType::kHandshake);
      header.kind = input.byte();
      header.attempt = (what & 16) != 0 ? bench.attempt : 99;
      if ((what & 8) != 0) header.cookie = bench.port.cookie;
      const auto bytes = input.take(std::min(input.byte() * std::size_t{8}, wire::kHandshakeDataMax));
      header.length = static_cast<std::uint16_t>(bytes.size());
      Bytes packet(sizeof(header) + bytes.size());
      std::memcpy(packet.data(), &header, sizeof(header));
      std::copy(bytes.begin(), bytes.end(), packet.begin() + sizeof(header));
      bench.put(kPeer, packet);
      return true;
    }
    default: return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bench bench;
  bench.begin();
  fuzz::Input input(data, size);
  bool burst = false;
  for (int steps = 0; !input.empty() && steps < 200; ++steps) {
    const std::uint8_t what = input.byte();
    if (put_step(bench, what, input)) {
      const std::size_t said = bench.port.said_bytes;
      const bool alone = !burst && (what & 7) == 1 && bench.session == 0 && !bench.starting && !bench.asked;
      if (!burst) bench.come();
      if (alone) require(bench.port.said_bytes == said);
    } else if ((what & 7) == 4) {
      bench.now_ns += input.byte() * kNsPerMs;
      bench.come();
    } else if ((what & 7) == 5) {
      bench.tell(what);
    } else if ((what & 7) == 6) {
      bench.give_back();
      if ((what & 8) != 0) (void)bench.codec.to_net.push({.flow = {}, .migration = {}, .kind = CodecToNetKind::kOpenFlow});
      if ((what & 16) != 0) (void)bench.codec.to_net.push({.flow = bench.flow, .kind = CodecToNetKind::kReset, .reason = EndReason::kDecodeError});
      bench.come();
    } else {
      burst = !burst;
    }
  }
  bench.end();
  return 0;
}
