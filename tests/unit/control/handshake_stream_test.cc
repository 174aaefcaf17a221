// SPDX-License-Identifier: Apache-2.0
#include "control/handshake/handshake_stream.h"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "dataplane/wire/packet.h"

namespace dwcp {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes random_bytes(Rng& rng, std::size_t count) {
  Bytes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
  return bytes;
}

HandshakeView view(const Bytes& packet) {
  return {reinterpret_cast<const wire::HandshakeHeader*>(packet.data()), std::span(packet).subspan(sizeof(wire::HandshakeHeader))};
}

struct Sent {
  std::vector<Bytes> packets;
  HandshakeStream::Send send = [this](std::span<const std::uint8_t> packet) { packets.emplace_back(packet.begin(), packet.end()); };
};

Bytes packet_of(std::uint32_t offset, std::uint32_t ack, const Bytes& data) {
  Bytes packet(sizeof(wire::HandshakeHeader) + data.size());
  auto& header = *reinterpret_cast<wire::HandshakeHeader*>(packet.data());
  header.length = static_cast<std::uint16_t>(data.size());
  header.offset = offset;
  header.ack = ack;
  std::copy(data.begin(), data.end(), packet.begin() + sizeof(header));
  return packet;
}

TEST(handshake_stream, carries_both_streams_whole_over_any_path) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    HandshakeStream ends[2] = {{wire::HandshakeKind::kInitiator, 5, 0}, {wire::HandshakeKind::kResponder, 5, 30 * kNsPerMs}};
    const Bytes whole[2] = {random_bytes(rng, 1 + rng.below(wire::kHandshakeStreamBytesMax)), random_bytes(rng, 1 + rng.below(5000))};
    Bytes came[2];
    std::size_t written[2] = {0, 0};
    std::multimap<std::uint64_t, std::pair<std::size_t, Bytes>> path;
    const auto done = [&] { return came[0] == whole[1] && came[1] == whole[0] && ends[0].all_acked() && ends[1].all_acked(); };
    std::uint64_t now_ns = 0;
    for (; now_ns < 120 * kNsPerSec && !done(); now_ns += kNsPerMs) {
      for (std::size_t i = 0; i < 2; ++i) {
        const std::size_t more = std::min(whole[i].size() - written[i], rng.below(3000));
        ASSERT_TRUE(ends[i].write(std::span(whole[i]).subspan(written[i], more)));
        written[i] += more;
      }
      while (!path.empty() && path.begin()->first <= now_ns) {
        const auto [to, packet] = path.begin()->second;
        path.erase(path.begin());
        ASSERT_TRUE(ends[to].receive(now_ns, view(packet)));
        const auto fresh = ends[to].read();
        came[to].insert(came[to].end(), fresh.begin(), fresh.end());
      }
      for (std::size_t i = 0; i < 2; ++i) {
        ends[i].transmit(now_ns, [&, i](std::span<const std::uint8_t> packet) {
          ASSERT_LE(packet.size(), wire::kHandshakePacketBytesMax);
          const Bytes bytes(packet.begin(), packet.end());
          if (!rng.chance(0.3)) path.emplace(now_ns + rng.below(60 * kNsPerMs), std::pair(1 - i, bytes));
          if (rng.chance(0.2)) path.emplace(now_ns + rng.below(300 * kNsPerMs), std::pair(1 - i, bytes));
        });
      }
    }
    ASSERT_TRUE(done());
    // And then there is silence.
    path.clear();
    Sent after;
    for (auto& end : ends) end.transmit(now_ns, after.send);
    const std::size_t last_words = after.packets.size();
    EXPECT_LE(last_words, 2U);
    for (auto& end : ends) end.transmit(now_ns + 10 * kNsPerSec, after.send);
    EXPECT_EQ(after.packets.size(), last_words);
  }
}

TEST(handshake_stream, the_timer_doubles_to_its_bound_and_starts_over_with_progress) {
  HandshakeStream stream(wire::HandshakeKind::kInitiator, 1, 0);
  Rng rng(1);
  ASSERT_TRUE(stream.write(random_bytes(rng, 2000)));
  Sent sent;
  stream.transmit(0, sent.send);
  EXPECT_EQ(sent.packets.size(), 2U);
  std::uint64_t now_ns = 0;
  for (const std::uint64_t wait_ms : {250, 500, 1000, 2000, 2000, 2000}) {
    EXPECT_EQ(stream.deadline_ns(), now_ns + wait_ms * kNsPerMs);
    stream.transmit(stream.deadline_ns() - 1, sent.send);
    now_ns = stream.deadline_ns();
    const std::size_t before = sent.packets.size();
    stream.transmit(now_ns, sent.send);
    EXPECT_EQ(sent.packets.size(), before + 2);
  }
  ASSERT_TRUE(stream.receive(now_ns, view(packet_of(0, 1000, {}))));
  EXPECT_EQ(stream.deadline_ns(), now_ns + 250 * kNsPerMs);
  ASSERT_TRUE(stream.receive(now_ns, view(packet_of(0, 2000, {}))));
  EXPECT_EQ(stream.deadline_ns(), kNever);
  EXPECT_TRUE(stream.all_acked());
  // Of a path whose round trip is known.
  HandshakeStream known(wire::HandshakeKind::kInitiator, 1, 320 * kNsPerMs);
  ASSERT_TRUE(known.write(random_bytes(rng, 10)));
  known.transmit(0, sent.send);
  EXPECT_GT(known.deadline_ns(), 320 * kNsPerMs);
  EXPECT_LT(known.deadline_ns(), kNsPerSec);
}

TEST(handshake_stream, data_that_came_is_acknowledged_even_with_nothing_to_say) {
  HandshakeStream stream(wire::HandshakeKind::kResponder, 9, 0);
  Rng rng(2);
  Sent sent;
  for (int i = 0; i < 2; ++i) {  // the second time the acknowledgement had been lost
    ASSERT_TRUE(stream.receive(0, view(packet_of(0, 0, random_bytes(rng, 700)))));
    stream.transmit(0, sent.send);
    ASSERT_EQ(sent.packets.size(), i + 1U);
    EXPECT_EQ(view(sent.packets.back()).header->ack, 700U);
    EXPECT_EQ(view(sent.packets.back()).header->attempt, 9U);
    EXPECT_EQ(view(sent.packets.back()).header->length, 0U);
  }
  // What only acknowledges is not answered, or two would answer each other for ever.
  ASSERT_TRUE(stream.receive(0, view(packet_of(0, 0, {}))));
  stream.transmit(0, sent.send);
  EXPECT_EQ(sent.packets.size(), 2U);
}

TEST(handshake_stream, what_cannot_be_is_refused) {
  HandshakeStream stream(wire::HandshakeKind::kResponder, 9, 0);
  constexpr auto most = static_cast<std::uint32_t>(wire::kHandshakeStreamBytesMax);
  EXPECT_FALSE(stream.receive(0, view(packet_of(0, 1, {}))));  // nothing was sent
  EXPECT_FALSE(stream.receive(0, view(packet_of(most, 0, Bytes(1)))));
  EXPECT_FALSE(stream.receive(0, view(packet_of(0xffff'ffff, 0, Bytes(2)))));
  EXPECT_FALSE(stream.receive(0, view(packet_of(most + 1, 0, {}))));
  EXPECT_TRUE(stream.receive(0, view(packet_of(most - 1, 0, Bytes(1)))));
  EXPECT_TRUE(stream.read().empty());
  EXPECT_LE(stream.bytes_held(), 2U * most);
  EXPECT_TRUE(stream.write(Bytes(most)));
  EXPECT_FALSE(stream.write(Bytes(1)));
}

TEST(handshake_stream, holes_are_bounded_and_what_came_stays) {
  HandshakeStream stream(wire::HandshakeKind::kResponder, 9, 0);
  for (std::uint32_t i = 1; i < 1000; ++i) ASSERT_TRUE(stream.receive(0, view(packet_of(i * 10, 0, Bytes(1, static_cast<std::uint8_t>(i))))));
  // Other bytes for the same places change nothing.
  ASSERT_TRUE(stream.receive(0, view(packet_of(0, 0, Bytes(100, 0xee)))));
  const auto fresh = stream.read();
  ASSERT_EQ(fresh.size(), 101U);  // and byte 100 was there
  for (std::uint32_t i = 1; i <= 10; ++i) EXPECT_EQ(fresh[i * 10], i);
  EXPECT_EQ(fresh[1], 0xee);
}

TEST(handshake_stream, no_more_is_in_flight_than_the_window) {
  HandshakeStream stream(wire::HandshakeKind::kResponder, 9, 0);
  ASSERT_TRUE(stream.write(Bytes(wire::kHandshakeStreamBytesMax)));
  Sent sent;
  for (int i = 0; i < 10; ++i) stream.transmit(0, sent.send);
  EXPECT_EQ(sent.packets.size(), 10U);
  ASSERT_TRUE(stream.receive(0, view(packet_of(0, 2 * wire::kHandshakeDataMax, {}))));
  stream.transmit(0, sent.send);
  EXPECT_EQ(sent.packets.size(), 12U);
}

}  // namespace
}  // namespace dwcp
