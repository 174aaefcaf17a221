// SPDX-License-Identifier: Apache-2.0
#include "attacker.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/inet/datagram_header.h"

namespace dwcp {

Bytes open_frame(std::string_view service, std::uint8_t version) {
  Bytes frame(sizeof(wire::OpenFrame) + service.size());
  frame[0] = static_cast<std::uint8_t>(wire::FrameKind::kOpen);
  frame[1] = version;
  frame[2] = static_cast<std::uint8_t>(service.size());
  std::copy(service.begin(), service.end(), frame.begin() + sizeof(wire::OpenFrame));
  return frame;
}

Bytes block_frame(BlockEncoder& encoder, const Bytes& raw) {
  Bytes frame(1 + encoded_bound(raw.size()));
  frame[0] = static_cast<std::uint8_t>(wire::FrameKind::kBlock);
  encoder.begin(raw, std::span(frame).subspan(1));
  while (!encoder.step()) {
  }
  frame.resize(1 + encoder.size());
  return frame;
}

Bytes eof_frame(std::uint64_t raw_bytes, const Digest& digest) {
  wire::EofFrame eof{};
  eof.kind = static_cast<std::uint8_t>(wire::FrameKind::kEof);
  eof.raw_bytes = raw_bytes;
  eof.digest_low = digest.low;
  eof.digest_high = digest.high;
  Bytes frame(sizeof(eof));
  std::memcpy(frame.data(), &eof, sizeof(eof));
  return frame;
}

Bytes verdict_frame(std::uint8_t match, std::uint64_t raw_bytes, const Digest& digest) {
  wire::VerdictFrame verdict{};
  verdict.kind = static_cast<std::uint8_t>(wire::FrameKind::kVerdict);
  verdict.match = match;
  verdict.raw_bytes = raw_bytes;
  verdict.digest_low = digest.low;
  verdict.digest_high = digest.high;
  Bytes frame(sizeof(verdict));
  std::memcpy(frame.data(), &verdict, sizeof(verdict));
  return frame;
}

Bytes stop_frame(BlockEncoder& encoder, const Bytes& raw) {
  Bytes frame = block_frame(encoder, raw);
  frame[0] = static_cast<std::uint8_t>(wire::FrameKind::kStop);
  return frame;
}

Bytes delivered_frame(std::uint32_t age_us, std::uint32_t span_us, std::uint32_t far_us) {
  wire::DeliveredFrame delivered{};
  delivered.kind = static_cast<std::uint8_t>(wire::FrameKind::kDelivered);
  delivered.age_us = age_us;
  delivered.span_us = span_us;
  delivered.far_us = far_us;
  Bytes frame(sizeof(delivered));
  std::memcpy(frame.data(), &delivered, sizeof(delivered));
  return frame;
}

Bytes pause_frame(std::uint32_t pause_us, std::uint32_t backlog_us, std::uint32_t path_us) {
  wire::PauseFrame pause{};
  pause.kind = static_cast<std::uint8_t>(wire::FrameKind::kPause);
  pause.pause_us = pause_us;
  pause.backlog_us = backlog_us;
  pause.path_us = path_us;
  Bytes frame(sizeof(pause));
  std::memcpy(frame.data(), &pause, sizeof(pause));
  return frame;
}

std::uint32_t FrameAttacker::open() {
  const std::uint32_t before = opened_;
  EXPECT_TRUE(world_.east().codec_rings.to_net.push({.kind = CodecToNetKind::kOpenFlow}));
  EXPECT_TRUE(run([&] { return opened_ != before; }));
  return opened_;
}

void FrameAttacker::send(std::uint32_t flow, const Bytes& frame) {
  ASSERT_FALSE(free_.empty());
  FrameBody* body = free_.back();
  free_.pop_back();
  ASSERT_TRUE(cells_.allocate(*body, frame.size()));
  body->write(0, frame);
  ASSERT_TRUE(
      world_.east().codec_rings.to_net.push({.flow = heard[flow].ref, .body = body, .kind = CodecToNetKind::kSubmit}));
}

bool FrameAttacker::run(const std::function<bool()>& done, std::uint64_t limit_ns) {
  return world_.run(
      [&] {
        drain();
        return done();
      },
      limit_ns);
}

void FrameAttacker::drain() {
  NetToCodec message;
  while (world_.east().codec_rings.to_codec.pop(message)) {
    Heard& flow = heard[raw(message.flow.flow)];
    switch (message.kind) {
      case NetToCodecKind::kFlowOpened:
        opened_ = raw(message.flow.flow);
        flow.ref = message.flow;
        break;
      case NetToCodecKind::kFlowArrived:
        flow.arrived = true;
        flow.granted_nothing = grants_nothing;
        flow.ref = message.flow;
        break;
      case NetToCodecKind::kOpenRefused:
        ADD_FAILURE() << "refused";
        break;
      case NetToCodecKind::kFrame: {
        if (flow.frames.size() <= raw(message.seq)) flow.frames.resize(raw(message.seq) + 1);
        Bytes& frame = flow.frames[raw(message.seq)];
        frame.resize(message.body->bytes);
        message.body->read(0, frame);
        if (flow.granted_nothing) {
          flow.kept.push_back(message.rx_slot);
          break;
        }
        EXPECT_TRUE(world_.east().codec_rings.to_net.push(
            {.flow = message.flow, .rx_slot = message.rx_slot, .kind = CodecToNetKind::kConsume}));
        break;
      }
      case NetToCodecKind::kBodyReturn:
        cells_.release(*message.body);
        free_.push_back(message.body);
        break;
      case NetToCodecKind::kFlowReset:
        flow.reset = message.reason;
        for (const std::uint32_t slot : std::exchange(flow.kept, {})) {
          EXPECT_TRUE(world_.east().codec_rings.to_net.push(
              {.flow = message.flow, .rx_slot = slot, .kind = CodecToNetKind::kConsume}));
        }
        break;
    }
  }
}

PacketAttacker::PacketAttacker(World& world)
    : world_(world),
      session_(world.west().net->lane(0).session().local_session),
      flow_(world.west().net->lane(0).session().opens_odd_flows ? 1000 : 1001) {}

void PacketAttacker::send(std::span<const std::uint8_t> datagram) {
  TxPacket packet;
  ASSERT_EQ(world_.ports[1]->reserve({&packet, 1}), 1U);
  const auto ip = [](std::uint8_t number) { return inet::IpAddress::v4({192, 0, 2, number}); };
  inet::UdpTemplate header({2, 0, 0, 0, 0, 2}, 0, {ip(2), 4700}, {ip(1), 4700});
  header.set_destination_mac({2, 0, 0, 0, 0, 1});
  std::memcpy(packet.data + header.size(), datagram.data(), datagram.size());
  packet.length = static_cast<std::uint32_t>(header.size() + datagram.size());
  header.write(packet.data, static_cast<std::uint16_t>(datagram.size()), 0, inet::ChecksumMode::kSoftware);
  EXPECT_EQ(world_.ports[1]->send({&packet, 1}), 1U);
}

std::optional<wire::Cookie> PacketAttacker::cookie_heard() {
  constexpr std::size_t kHeaders = 14 + 20 + 8;
  std::array<RxPacket, kBurstMax> packets;
  std::optional<wire::Cookie> cookie;
  const std::size_t n = world_.ports[1]->receive(packets);
  for (std::size_t i = 0; i < n; ++i) {
    if (packets[i].length < kHeaders + sizeof(wire::HandshakeHeader)) continue;
    const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packets[i].data + kHeaders);
    if (header.type == wire::type_byte(wire::PacketType::kHandshake) &&
        header.kind == static_cast<std::uint8_t>(wire::HandshakeKind::kCookie)) {
      cookie = header.cookie;
    }
  }
  world_.ports[1]->release(std::span(packets).first(n));
  return cookie;
}

void PacketAttacker::step() {
  world_.network.advance_to(world_.now_ns() + 100 * kNsPerUs);
  (void)world_.west().step(world_.now_ns());
}

}  // namespace dwcp
