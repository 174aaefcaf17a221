// SPDX-License-Identifier: Apache-2.0
// A peer with a valid session that breaks the rules ends the migration it speaks of, for the right reason, and nothing
// else: no leak, no assertion, and the next migration works.
#include <gtest/gtest.h>

#include <cstring>

#include "attacker.h"
#include "dataplane/wire/handshake.h"
#include "streams.h"  // of tests/unit/compress

namespace dwcp {
namespace {

class HostileTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.run([&] { return world_.up(); }));
  }

  // Sends the frames as a migration to west's service and expects it to end for `reason`.
  void expect_ends(const char* what, const std::vector<Bytes>& frames, EndReason reason) {
    SCOPED_TRACE(what);
    const std::uint32_t flow = attacker_.open();
    for (const Bytes& frame : frames) attacker_.send(flow, frame);
    expect_ended(flow, reason);
  }
  void expect_ended(std::uint32_t flow, EndReason reason) {
    ASSERT_TRUE(attacker_.run([&] { return attacker_.heard[flow].reset != EndReason::kNone; }));
    EXPECT_EQ(attacker_.heard[flow].reset, reason) << end_reason_text(attacker_.heard[flow].reset);
    ASSERT_TRUE(attacker_.run([&] { return world_.west().home(); })) << world_.west().not_home();
    EXPECT_TRUE(world_.west().up());
    if (!world_.west().edge.accepted.empty()) {
      const Connection& edge = *world_.west().edge.accepted.back();
      EXPECT_TRUE(edge.over);
      // A rule broken after both half-closes finds the hypervisor gone in order.
      EXPECT_TRUE(edge.aborted == reason || (edge.aborted == EndReason::kNone && edge.eof_said && edge.eof_heard));
      EXPECT_EQ(world_.west().end_reason(edge), reason);
    }
    world_.west().edge.accepted.clear();
  }

  BlockEncoder encoder_{{.zstd_level_max = 1}};
  World world_{1};
  FrameAttacker attacker_{world_};
  Bytes open_ = open_frame("vm");
};

TEST_F(HostileTest, blocks) {
  encoder_.reset();
  const Bytes good = block_frame(encoder_, payload(1, 200'000));
  Bytes wrong_digest = good;
  wrong_digest[1 + offsetof(BlockHeader, digest)] ^= 1;
  Bytes cut = good;
  cut.resize(cut.size() / 2);
  Bytes damaged = good;
  damaged[damaged.size() / 2] ^= 0xff;
  Bytes large = good;
  large[1 + offsetof(BlockHeader, raw_bytes)] = 0xff;
  Bytes noise = payload(2, 100'000);
  noise[0] = static_cast<std::uint8_t>(wire::FrameKind::kBlock);
  expect_ends("noise", {open_, noise}, EndReason::kDecodeError);
  expect_ends("no header", {open_, {static_cast<std::uint8_t>(wire::FrameKind::kBlock)}}, EndReason::kDecodeError);
  expect_ends("cut", {open_, cut}, EndReason::kDecodeError);
  expect_ends("large", {open_, large}, EndReason::kDecodeError);
  expect_ends("wrong digest", {open_, wrong_digest}, EndReason::kDigestMismatch);
  expect_ends("the same twice", {open_, good, good}, EndReason::kDigestMismatch);
  {
    SCOPED_TRACE("damaged");
    const std::uint32_t flow = attacker_.open();
    for (const Bytes& frame : {open_, damaged}) attacker_.send(flow, frame);
    ASSERT_TRUE(attacker_.run([&] { return attacker_.heard[flow].reset != EndReason::kNone; }));
    ASSERT_TRUE(attacker_.run([&] { return world_.west().home(); })) << world_.west().not_home();
  }
}

TEST_F(HostileTest, order_of_frames) {
  encoder_.reset();
  const Bytes block = block_frame(encoder_, payload(1, 10'000));
  const Bytes eof = eof_frame(encoder_.counters().raw_bytes, encoder_.digest());
  encoder_.reset();
  const Bytes eof_of_nothing = eof_frame(0, encoder_.digest());
  expect_ends("block first", {block}, EndReason::kProtocolError);
  expect_ends("eof first", {eof_of_nothing}, EndReason::kProtocolError);
  expect_ends("verdict first", {verdict_frame(1, 0, encoder_.digest())}, EndReason::kProtocolError);
  expect_ends("second open", {open_, open_}, EndReason::kProtocolError);
  expect_ends("open after a block", {open_, block, open_}, EndReason::kProtocolError);
  expect_ends("block after eof", {open_, block, eof, block}, EndReason::kProtocolError);
  expect_ends("second eof", {open_, block, eof, eof}, EndReason::kProtocolError);
  expect_ends("eof too early", {open_, eof}, EndReason::kDigestMismatch);
  expect_ends("eof of another digest", {open_, block, eof_of_nothing}, EndReason::kDigestMismatch);
  Bytes longer = eof;
  longer.push_back(0);
  expect_ends("eof too long", {open_, block, longer}, EndReason::kProtocolError);
  for (const std::uint8_t kind : std::initializer_list<std::uint8_t>{0, 8, 255})
    expect_ends("unknown kind", {open_, {kind, 0, 0}}, EndReason::kProtocolError);
}

TEST_F(HostileTest, open_frames) {
  const auto with_length = [](std::uint8_t length, std::size_t bytes) {
    Bytes frame = open_frame(std::string(bytes, 'v'));
    frame[2] = length;
    return frame;
  };
  expect_ends("empty name", {with_length(0, 0)}, EndReason::kProtocolError);
  expect_ends("65 bytes", {with_length(65, 65)}, EndReason::kProtocolError);
  expect_ends("255 bytes", {with_length(255, 255)}, EndReason::kProtocolError);
  expect_ends("a name that runs past the frame", {with_length(64, 10)}, EndReason::kProtocolError);
  expect_ends("bytes behind the name", {with_length(2, 3)}, EndReason::kProtocolError);
  expect_ends("cut", {{static_cast<std::uint8_t>(wire::FrameKind::kOpen), 1}}, EndReason::kProtocolError);
  expect_ends("another codec", {open_frame("vm", 2)}, EndReason::kProtocolError);
  expect_ends("64 bytes, unknown", {with_length(64, 64)}, EndReason::kServiceUnknown);
  expect_ends("prefix of a service", {open_frame("v")}, EndReason::kServiceUnknown);
}

// Verdicts that lie, at each moment.
TEST_F(HostileTest, verdicts) {
  const Bytes says = payload(4, 60'000);
  BlockEncoder same({.zstd_level_max = 1});
  (void)block_frame(same, says);
  const Digest right = same.digest();
  const Digest wrong{.low = right.low, .high = right.high ^ 1};
  struct Case {
    const char* what;
    std::vector<Bytes> verdicts;
    EndReason reason;
  };
  const std::vector<Case> cases = {
      {"no match", {verdict_frame(0, says.size(), right)}, EndReason::kDigestMismatch},
      {"match of 2", {verdict_frame(2, says.size(), right)}, EndReason::kDigestMismatch},
      {"another digest", {verdict_frame(1, says.size(), wrong)}, EndReason::kDigestMismatch},
      {"fewer bytes", {verdict_frame(1, says.size() - 1, right)}, EndReason::kDigestMismatch},
      {"twice",
       {verdict_frame(1, says.size(), right), verdict_frame(1, says.size(), right)},
       EndReason::kProtocolError},
      {"cut", {Bytes{static_cast<std::uint8_t>(wire::FrameKind::kVerdict), 1}}, EndReason::kProtocolError},
  };
  for (const bool early : {true, false}) {
    for (const Case& lie : cases) {
      SCOPED_TRACE(std::string(lie.what) + (early ? " early" : ""));
      world_.west().edge.on_connect = [&](std::uint16_t) { return Script{.says = says, .eof_after_peer = early}; };
      const std::uint32_t flow = attacker_.open();
      attacker_.send(flow, open_);
      if (!early) {
        ASSERT_TRUE(attacker_.run([&] {
          const auto& frames = attacker_.heard[flow].frames;
          return !frames.empty() && !frames.back().empty() &&
                 frames.back()[0] == static_cast<std::uint8_t>(wire::FrameKind::kEof);
        }));
      }
      for (const Bytes& verdict : lie.verdicts) attacker_.send(flow, verdict);
      expect_ended(flow, early ? EndReason::kProtocolError : lie.reason);
    }
  }
}

// The other way round: west opens, and the peer answers with nonsense.
TEST_F(HostileTest, answers_to_our_own_migration) {
  encoder_.reset();
  const Bytes block = block_frame(encoder_, payload(1, 1000));
  const std::vector<std::pair<Bytes, EndReason>> answers = {
      {open_, EndReason::kProtocolError},
      {verdict_frame(1, 0, {}), EndReason::kProtocolError},
      {eof_frame(5, {}), EndReason::kDigestMismatch},
      {Bytes(50, static_cast<std::uint8_t>(wire::FrameKind::kBlock)), EndReason::kDecodeError},
  };
  for (const auto& [answer, reason] : answers) {
    attacker_.heard.clear();
    const auto connection = world_.west().edge.open(0, 0, {.says = payload(6, 5'000'000), .eof_after_peer = true});
    std::uint32_t flow = 0;
    ASSERT_TRUE(attacker_.run([&] {
      for (const auto& [id, heard] : attacker_.heard) {
        if (heard.arrived) flow = id;
      }
      return flow != 0;
    }));
    attacker_.send(flow, answer);
    ASSERT_TRUE(attacker_.run([&] { return connection->over; }));
    EXPECT_EQ(connection->aborted, reason);
    ASSERT_TRUE(attacker_.run([&] { return world_.west().home(); })) << world_.west().not_home();
  }
}

// Empty blocks are legal; a stream of nothing but them moves nothing and ends in order.
TEST_F(HostileTest, empty_blocks_are_carried) {
  encoder_.reset();
  const std::uint32_t flow = attacker_.open();
  attacker_.send(flow, open_);
  for (int i = 0; i < 40; ++i) attacker_.send(flow, block_frame(encoder_, {}));
  attacker_.send(flow, eof_frame(0, encoder_.digest()));
  ASSERT_TRUE(
      attacker_.run([&] { return !world_.west().edge.accepted.empty() && world_.west().edge.accepted.front()->over; }));
  EXPECT_EQ(world_.west().edge.accepted.front()->aborted, EndReason::kNone);
  EXPECT_TRUE(world_.west().edge.accepted.front()->heard.empty());
}

// A migration that completes at our side while the peer withholds the last words must not be called complete.
TEST_F(HostileTest, a_peer_that_never_gives_its_verdict_leaves_it_draining) {
  encoder_.reset();
  const std::uint32_t flow = attacker_.open();
  attacker_.send(flow, open_);
  attacker_.send(flow, eof_frame(0, encoder_.digest()));
  ASSERT_TRUE(
      attacker_.run([&] { return !world_.west().edge.accepted.empty() && world_.west().edge.accepted.front()->over; }));
  (void)attacker_.run([] { return false; }, kNsPerSec);
  EXPECT_FALSE(world_.west().home());
  ASSERT_TRUE(world_.east().control.to_net.push({.kind = ControlToNetKind::kStop, .reason = EndReason::kShutdown}));
  ASSERT_TRUE(attacker_.run([&] { return world_.west().home(); })) << world_.west().not_home();
}

// It takes what it granted at first, and grants no more: that migration waits, holding what it held, until its hypervisor has
// had enough; others do not notice.
TEST_F(HostileTest, a_peer_that_grants_no_credit_stalls_one_migration_and_no_more) {
  Site& west = world_.west();
  Rng noise(7);
  Bytes says(32U << 20);
  for (auto& byte : says) byte = static_cast<std::uint8_t>(noise.next());
  attacker_.grants_nothing = true;
  const auto stalled = west.edge.open(0, 0, {.says = says});
  ASSERT_TRUE(attacker_.run([&] { return !attacker_.heard.empty() && attacker_.heard.begin()->second.frames.size() > 8; }));
  (void)attacker_.run([] { return false; }, 3 * kNsPerSec);
  attacker_.grants_nothing = false;
  const std::size_t said = stalled->said;
  const std::uint64_t backlog = west.slot(*stalled).backlog_bytes.get();
  const std::size_t blocks = stalled->blocks_out;
  EXPECT_LT(said, says.size() / 2) << "what was not sent stays with the hypervisor";
  EXPECT_GT(backlog, 0U);

  // The peer's migration to us, and another of ours.
  encoder_.reset();
  const std::uint32_t theirs = attacker_.open();
  const Bytes raw = payload(1, 100'000);
  attacker_.send(theirs, open_);
  attacker_.send(theirs, block_frame(encoder_, raw));
  attacker_.send(theirs, eof_frame(raw.size(), encoder_.digest()));
  ASSERT_TRUE(attacker_.run([&] { return !west.edge.accepted.empty() && west.edge.accepted.front()->over; }));
  EXPECT_EQ(west.edge.accepted.front()->heard, raw);
  attacker_.send(theirs, verdict_frame(1, 0, BlockEncoder({.zstd_level_max = 1}).digest()));
  const auto ours = west.edge.open(0, 0, {.says = payload(8, 3'000'000)});
  ASSERT_TRUE(attacker_.run([&] {
    const Bytes& last = attacker_.heard.rbegin()->second.frames.empty() ? Bytes{} : attacker_.heard.rbegin()->second.frames.back();
    return ours->eof_said && !last.empty() && last[0] == static_cast<std::uint8_t>(wire::FrameKind::kEof);
  }));

  (void)attacker_.run([] { return false; }, 10 * kNsPerSec);
  EXPECT_EQ(stalled->said, said);
  EXPECT_EQ(west.slot(*stalled).backlog_bytes.get(), backlog) << "memory stays flat";
  EXPECT_EQ(stalled->blocks_out, blocks);
  EXPECT_FALSE(stalled->over);
  for (const auto& connection : {stalled, ours}) connection->script.abort_after = 0;
  ASSERT_TRUE(attacker_.run([&] { return stalled->over && ours->over && west.home(); })) << west.not_home();
  EXPECT_EQ(west.end_reason(*stalled), EndReason::kHypervisorReset);
  EXPECT_TRUE(west.up());
}

// Stops and pauses out of place, from the side that sends the stream.
TEST_F(HostileTest, stop_and_pause_frames) {
  encoder_.reset();
  const Bytes stop = stop_frame(encoder_, payload(1, 10'000));
  const Bytes eof = eof_frame(encoder_.counters().raw_bytes, encoder_.digest());
  const Bytes again = stop_frame(encoder_, payload(1, 10'000));
  const Bytes pause = pause_frame(1, 1, 1);
  expect_ends("stop first", {stop}, EndReason::kProtocolError);
  expect_ends("two stops", {open_, stop, again}, EndReason::kProtocolError);
  expect_ends("stop after eof", {open_, stop, eof, again}, EndReason::kProtocolError);
  expect_ends("stop without a block", {open_, {static_cast<std::uint8_t>(wire::FrameKind::kStop)}}, EndReason::kDecodeError);
  expect_ends("pause without a stop", {open_, pause}, EndReason::kProtocolError);
  expect_ends("pause before eof", {open_, stop, pause}, EndReason::kProtocolError);
  expect_ends("delivered, and there is nothing of ours", {open_, delivered_frame(0, 0, 0)}, EndReason::kProtocolError);
  Bytes longer = pause;
  longer.push_back(0);
  for (const std::vector<Bytes>& answer : {std::vector<Bytes>{longer}, {{static_cast<std::uint8_t>(wire::FrameKind::kPause)}}, {pause, pause}}) {
    const std::uint32_t flow = attacker_.open();
    for (const Bytes& frame : {open_, stop, eof}) attacker_.send(flow, frame);
    ASSERT_TRUE(attacker_.run([&] {
      const auto& frames = attacker_.heard[flow].frames;
      return !frames.empty() && !frames.back().empty() && frames.back()[0] == static_cast<std::uint8_t>(wire::FrameKind::kDelivered);
    }));
    for (const Bytes& frame : answer) attacker_.send(flow, frame);
    expect_ended(flow, EndReason::kProtocolError);
  }
}

// Whatever the times in them, the migration ends in order and shows some.
TEST_F(HostileTest, a_pause_that_lies_does_no_harm) {
  encoder_.reset();
  const std::uint32_t flow = attacker_.open();
  attacker_.send(flow, open_);
  attacker_.send(flow, stop_frame(encoder_, payload(1, 10'000)));
  attacker_.send(flow, eof_frame(encoder_.counters().raw_bytes, encoder_.digest()));
  encoder_.reset();
  attacker_.send(flow, verdict_frame(1, 0, encoder_.digest()));
  ASSERT_TRUE(attacker_.run([&] {
    const auto& frames = attacker_.heard[flow].frames;
    return !frames.empty() && !frames.back().empty() && frames.back()[0] == static_cast<std::uint8_t>(wire::FrameKind::kDelivered);
  }));
  (void)attacker_.run([] { return false; }, 100 * kNsPerMs);
  EXPECT_FALSE(world_.west().home()) << "it waits for the pause";
  attacker_.send(flow, pause_frame(~0U, ~0U, ~0U));
  ASSERT_TRUE(attacker_.run([&] { return world_.west().home(); })) << world_.west().not_home();
  const Connection& edge = *world_.west().edge.accepted.back();
  EXPECT_EQ(world_.west().slot(edge).phase.get(), static_cast<std::uint64_t>(MigrationPhase::kCompleted));
  EXPECT_EQ(world_.west().slot(edge).pause_us.get(), std::uint64_t{1} << 32);
}

// The same from the side that receives: what it says of our stream, true or not, may come once and after our last word.
TEST_F(HostileTest, delivered_frames) {
  const std::vector<std::pair<const char*, std::vector<Bytes>>> answers = {
      {"twice", {delivered_frame(0, 0, 0), delivered_frame(0, 0, 0)}},
      {"cut", {{static_cast<std::uint8_t>(wire::FrameKind::kDelivered), 0}}},
      {"a pause instead", {pause_frame(0, 0, 0)}},
      {"lies", {delivered_frame(~0U, ~0U, ~0U)}},
  };
  for (const bool understood : {true, false}) {
    for (const auto& [what, frames] : answers) {
      SCOPED_TRACE(what);
      attacker_.heard.clear();
      streams::QemuStream guest;
      guest.setup();
      if (understood) guest.end();
      guest.end_of_section();
      const auto connection = world_.west().edge.open(0, 0, {.says = guest.bytes});
      std::uint32_t flow = 0;
      ASSERT_TRUE(attacker_.run([&] {
        for (const auto& [id, heard] : attacker_.heard) {
          if (heard.arrived && !heard.frames.empty() && !heard.frames.back().empty() &&
              heard.frames.back()[0] == static_cast<std::uint8_t>(wire::FrameKind::kEof)) {
            flow = id;
          }
        }
        return flow != 0;
      }));
      for (const Bytes& frame : frames) attacker_.send(flow, frame);
      if (understood && frames.size() == 1 && std::string(what) == "lies") {
        ASSERT_TRUE(attacker_.run([&] { return world_.west().slot(*connection).pause_us.get() != 0; }));
        EXPECT_LT(world_.west().slot(*connection).pause_us.get(), 1'000'000U);
        attacker_.send(flow, open_);  // and out of step
      }
      ASSERT_TRUE(attacker_.run([&] { return connection->over && world_.west().home(); })) << world_.west().not_home();
      EXPECT_EQ(connection->aborted, EndReason::kProtocolError);
    }
  }
}

class FloodTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.run([&] { return world_.up(); }));
  }
  World world_{2};
};

// Flows opened and ended by the packet, with a codec lcore that does not get to run: rings and tables hold.
TEST_F(FloodTest, flows_opened_and_reset_while_the_codec_is_late) {
  PacketAttacker attacker(world_);
  world_.west().codec_runs = false;
  std::vector<std::uint32_t> open;
  for (int i = 0; i < 500; ++i) {
    auto packet = attacker.packet();
    for (const std::uint32_t flow : open) packet.reset(flow, 1);
    open.clear();
    for (int j = 0; j < 16; ++j) {
      open.push_back(attacker.next_flow());
      packet.data(open.back(), 0, 1, 0, 1, 9);
    }
    attacker.send(packet.sealed());
    attacker.step();
  }
  EXPECT_GT(world_.west().codec_rings.to_codec.size(), 2 * world_.west().net->config().lane.rx_frames_max);
  world_.west().codec_runs = true;
  ASSERT_TRUE(world_.run([&] { return world_.west().home(); })) << world_.west().not_home();
}

// All flow places a peer may have are taken by it; one is reset and taken by us before the codec has heard of the reset.
TEST_F(FloodTest, a_place_is_taken_again_before_its_end_was_told) {
  PacketAttacker attacker(world_);
  Site& west = world_.west();
  west.codec_runs = false;
  std::vector<std::uint32_t> flows;
  for (std::size_t i = 0; i < Lane::peer_flow_places(west.net->config().lane); ++i) {
    flows.push_back(attacker.next_flow());
    attacker.send(attacker.packet().data(flows.back(), 0, 1, 0, 1).sealed());
  }
  for (int i = 0; i < 100; ++i) attacker.step();
  ASSERT_EQ(west.net->lane(0).flows_open(), flows.size());
  attacker.send(attacker.packet().reset(flows[3], 1).sealed());
  for (int i = 0; i < 18; ++i)
    world_.network.advance_to(world_.now_ns() + 200 * kNsPerUs);  // arrived, not yet received
  ASSERT_TRUE(west.codec_rings.to_net.push(
      {.migration = {.slot = 3, .spare = 0, .generation = 99}, .kind = CodecToNetKind::kOpenFlow}));
  attacker.step();
  EXPECT_EQ(west.net->lane(0).flows_open(), flows.size());
  west.codec_runs = true;
  ASSERT_TRUE(world_.run([&] { return west.home(); })) << west.not_home();
}

// Handshake packets faster than the control thread takes them must leave room for what the net lcore itself has to say.
// The flood has a cookie: it comes from where the peer is.
TEST_F(FloodTest, handshakes_do_not_fill_the_ring_to_control) {
  Site& west = world_.west();
  PacketAttacker attacker(world_);
  wire::HandshakeHeader packet{};
  packet.type = wire::type_byte(wire::PacketType::kHandshake);
  packet.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kAsk);
  packet.attempt = 1U;
  const auto bytes = [&] { return std::span(reinterpret_cast<const std::uint8_t*>(&packet), sizeof(packet)); };
  attacker.send(bytes());
  std::optional<wire::Cookie> cookie;
  for (int i = 0; i < 200 && !cookie; ++i) {
    attacker.step();
    cookie = attacker.cookie_heard();
  }
  ASSERT_TRUE(cookie);
  packet.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kInitiator);
  packet.cookie = *cookie;
  west.control_runs = false;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    packet.attempt = 2 + i;
    attacker.send(bytes());
    attacker.step();
  }
  EXPECT_GE(west.control.to_control.size(), 64U);  // a burst, and then the even rate of one peer
  EXPECT_LT(west.control.to_control.size(), ControlNetRings::kHandshakesMax);
  world_.network.advance_to(world_.now_ns() + 3 * kNsPerSec);
  for (int i = 0; i < 10; ++i) attacker.step();  // session lost: said to control
  west.control_runs = true;
  ASSERT_TRUE(world_.run([&] { return !west.lost.empty(); }));
  EXPECT_EQ(west.lost.front(), EndReason::kLinkLost);
  ASSERT_TRUE(world_.run([&] { return world_.up(); }));
}

// Without a cookie nothing reaches the control thread, and nobody is sent more than came from there.
TEST_F(FloodTest, what_has_no_cookie_stays_outside) {
  Site& west = world_.west();
  PacketAttacker attacker(world_);
  west.control_runs = false;
  NetToControl before;
  while (west.control.to_control.pop(before)) dispose(before);
  Rng rng(5);
  const std::uint64_t sent_before = world_.ports[0]->counters().tx_bytes;
  std::uint64_t came = 0;
  for (int i = 0; i < 2000; ++i) {
    wire::HandshakeHeader packet{};
    packet.type = wire::type_byte(wire::PacketType::kHandshake);
    packet.kind = static_cast<std::uint8_t>(1 + rng.below(5));
    if (packet.kind == static_cast<std::uint8_t>(wire::HandshakeKind::kKnock)) continue;  // few are let through
    packet.attempt = rng.next();
    for (auto& byte : packet.cookie) byte = static_cast<std::uint8_t>(rng.next());
    std::vector<std::uint8_t> datagram(sizeof(packet));
    std::memcpy(datagram.data(), &packet, sizeof(packet));
    attacker.send(datagram);
    came += datagram.size() + 42;
    attacker.step();
  }
  for (int i = 0; i < 100; ++i) attacker.step();
  NetToControl message;
  while (west.control.to_control.pop(message)) {
    EXPECT_NE(message.kind, NetToControlKind::kHandshake);
    dispose(message);
  }
  // The lane's own pings and acknowledgements are among what was sent.
  EXPECT_LE(world_.ports[0]->counters().tx_bytes - sent_before, came + 20'000);
}

// Twenty asks in 100 us are 200 000 a second: most stay without an answer, and one that comes later has one.
TEST_F(FloodTest, asks_are_answered_at_a_bounded_rate) {
  Site& west = world_.west();
  PacketAttacker attacker(world_);
  wire::HandshakeHeader ask{};
  ask.type = wire::type_byte(wire::PacketType::kHandshake);
  ask.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kAsk);
  ask.attempt = 1U;
  const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(&ask), sizeof(ask));
  const std::uint64_t sent_before = world_.ports[0]->counters().tx_packets;
  const std::uint64_t begun_ns = world_.now_ns();
  std::uint64_t asked = 0;
  for (int i = 0; i < 200; ++i) {
    for (int j = 0; j < 20; ++j, ++asked) attacker.send(bytes);
    attacker.step();
  }
  const std::uint64_t answered = world_.ports[0]->counters().tx_packets - sent_before;
  const std::uint64_t span_us = (world_.now_ns() - begun_ns) / kNsPerUs;
  EXPECT_LE(answered, span_us / 50 + 256 + 50) << "20 000/s, a burst, and what the lane says by itself";
  EXPECT_GE(answered, span_us / 100);
  EXPECT_LT(answered, asked / 2);
  for (int i = 0; i < 100; ++i) attacker.step();
  (void)attacker.cookie_heard();
  attacker.send(bytes);
  std::optional<wire::Cookie> cookie;
  for (int i = 0; i < 200 && !cookie; ++i) {
    attacker.step();
    cookie = attacker.cookie_heard();
  }
  EXPECT_TRUE(cookie);
  EXPECT_TRUE(west.up());
}

// A peer that acknowledges all that was sent, got or not: its session ends for what it is, and a new one begins.
TEST_F(FloodTest, a_peer_that_acknowledges_what_it_has_not_got_loses_its_session) {
  Site& west = world_.west();
  const auto connection = west.edge.open(0, 0, {.says = payload(4, 50'000'000)});
  PacketAttacker attacker(world_);
  for (int i = 0; i < 20'000 && west.lost.empty(); ++i) {
    const auto sent = static_cast<std::uint32_t>(west.net->lane(0).streams()[0]->next_number());
    attacker.send(attacker.packet().ack(0, sent - 1, static_cast<std::uint16_t>(std::min(sent - 1, 100U))).sealed());
    attacker.step();
  }
  ASSERT_FALSE(west.lost.empty());
  EXPECT_EQ(west.lost.front(), EndReason::kProtocolError);
  EXPECT_GE(west.net->lane(0).counters().drops[static_cast<std::size_t>(wire::DropReason::kFalseAck)], 1U);
  ASSERT_TRUE(world_.run([&] { return connection->over; }));
  ASSERT_TRUE(world_.run([&] { return world_.up(); }));
}

// Anything at all in a packet with a right seal.
TEST_F(FloodTest, noise_in_sealed_packets) {
  PacketAttacker attacker(world_);
  Rng rng(3);
  for (int i = 0; i < 5000; ++i) {
    auto packet = attacker.packet();
    const std::uint32_t flow = rng.chance(0.5) ? attacker.next_flow() : static_cast<std::uint32_t>(rng.below(40));
    for (std::uint64_t chunks = rng.below(8); chunks-- > 0;) {
      switch (rng.below(6)) {
        case 0:
          packet.data(flow, static_cast<std::uint32_t>(rng.below(70)), static_cast<std::uint32_t>(1 + rng.below(100)),
                      0, static_cast<std::uint16_t>(1 + rng.below(100)), static_cast<std::uint8_t>(rng.below(6)));
          break;
        case 1:
          packet.reset(flow, static_cast<std::uint8_t>(rng.next()));
          break;
        case 2:
          packet.credit(flow, rng.next(), static_cast<std::uint32_t>(rng.next()));
          break;
        case 3:
          packet.ack(0, static_cast<std::uint32_t>(rng.below(40)), static_cast<std::uint16_t>(rng.below(40)));
          break;
        case 4:
          packet.ping();
          break;
        default:
          packet.data(flow, 0, 3, 0, 3, static_cast<std::uint8_t>(rng.below(6)));
          break;
      }
    }
    attacker.send(packet.sealed());
    attacker.step();
    if (i % 100 == 0 && world_.west().edge.live() < 2)
      (void)world_.west().edge.open(0, 0, {.says = payload(9, 100'000)});
  }
  for (int i = 0; i < 100; ++i) attacker.step();  // all has arrived
  world_.network.advance_to(world_.now_ns() + 3 * kNsPerSec);
  ASSERT_TRUE(world_.run([&] { return world_.west().home() && world_.up(); }))
      << world_.west().not_home() << "open flows: " << world_.west().net->lane(0).flows_open() << " up "
      << world_.west().up() << world_.east().up() << " lost " << world_.west().lost.size();
}

}  // namespace
}  // namespace dwcp
