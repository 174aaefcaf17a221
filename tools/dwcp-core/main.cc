// SPDX-License-Identifier: Apache-2.0
// dwcp-core [EAL arguments] -- source|sink [options]
//
// One end of a lane on one core, for tools/bench core: the gateway's port, net role and loop as they are, and FrameRole in
// the codec's place.  No handshake, no control thread: both ends know the session and its keys.  One JSON line when the window is over; then
// it goes on, so that the other end's window is whole too.  SIGUSR1 stops the polling ("stopped"), SIGTERM ends it.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "config/config.h"
#include "dataplane/crypto/cryptodev_provider.h"
#include "dataplane/crypto/lab_null/unencrypted_lab_aead.h"
#include "drivers/dpdk/dpdk_port.h"
#include "drivers/dpdk/eal.h"
#include "tools/dwcp-core/frame_role.h"
#include "tools/dwcp-core/meter.h"
#include "tools/dwcp-gateway/lane_options.h"

namespace {

using namespace dwcp;
using nlohmann::json;

constexpr std::uint16_t kUdpPort = 7717;
// A session's number modulo kLanesMax is its lane: the first.
constexpr std::uint32_t kSourceSession = kLanesMax;
constexpr std::uint32_t kSinkSession = 2 * kLanesMax;

struct Arguments {
  bool source = false;
  std::uint16_t mtu = 1500;
  std::uint32_t streams = 0;  // 0: as many as a gateway would use
  std::size_t frames = 64;
  std::uint32_t frame_bytes = 256 * 1024;
  double seconds = 5;
  double warmup_s = 1;
  std::uint64_t sleep_max_us = 0;
  std::uint16_t ring_packets = 1024;
  std::string cipher = "aes-128-gcm";
  std::string crypto_driver;  // empty: the best there is
};

// The lab's stand-in for a cipher, to measure what encryption costs.
constexpr std::string_view kNoCipher = "UNENCRYPTED-LAB-ONLY";

LcoreLoop* running_loop = nullptr;

volatile sig_atomic_t ending = 0;

void stop_running(int number) {
  if (number != SIGUSR1) ending = 1;
  running_loop->stop();
}

// Polling has stopped: the other end may go now.  A memif device unmaps its memory when its peer goes, whoever polls it.
void wait_for_end() {
  sigset_t term, before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, &before);
  std::cout << "stopped" << std::endl;
  while (ending == 0) sigsuspend(&before);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

// As the gateway's with its default configuration, but for the streams when a number of them is asked for.
NetRoleConfig net_config(const Arguments& arguments, const PortInfo& port, const TscClock& clock) {
  const auto address = [](bool source) { return inet::IpAddress::v4({10, 77, 0, static_cast<std::uint8_t>(source ? 1 : 2)}); };
  Config config = default_config();
  config.port.mtu_bytes = arguments.mtu;
  TransportConfig& transport = config.transport;
  if (arguments.streams != 0) transport.streams_min = transport.streams_initial = transport.streams_max = arguments.streams;
  NetRoleConfig net;
  net.host.mac = port.mac;
  net.host.v4 = {address(arguments.source), 24};
  net.host.mtu = arguments.mtu;
  net.udp_port = kUdpPort;
  net.peers.push_back({address(!arguments.source), kUdpPort});
  net.session_timeout_ns = transport.session_timeout_ms * kNsPerMs;
  net.backlog_max_ns = transport.backlog_max_ms * kNsPerMs;
  net.lane = lane_config(config);
  net.clock = [&clock] { return clock.now_ns(); };
  return net;
}

Cipher cipher_of(const Arguments& arguments) {
  const auto found = std::find(kCipherNames.begin(), kCipherNames.end(), arguments.cipher);
  return found == kCipherNames.end() ? Cipher::kAes128Gcm : static_cast<Cipher>(found - kCipherNames.begin());
}

std::unique_ptr<AeadProvider> make_aead(const Arguments& arguments) {
  if (arguments.cipher == kNoCipher) return std::make_unique<UnencryptedLabProvider>();
  CryptodevConfig config;
  if (!arguments.crypto_driver.empty()) config.drivers = {arguments.crypto_driver};
  auto made = std::make_unique<CryptodevProvider>(config);
  if (!made->supports(cipher_of(arguments))) throw std::runtime_error(made->why_not(cipher_of(arguments)));
  return made;
}

// Both ends know these.
std::unique_ptr<EpochKeys> make_keys(const Arguments& arguments, AeadProvider& aead) {
  const Cipher cipher = cipher_of(arguments);
  auto keys = std::make_unique<EpochKeys>();
  keys->cipher = cipher;
  keys->send_at_once = true;
  const auto key = [&](bool source) {
    const std::vector<std::uint8_t> bytes(cipher_key_bytes(cipher), source ? 1 : 2);
    auto made = aead.make_key(cipher, bytes);
    if (!made) throw std::runtime_error(made.error());
    return std::move(*made);
  };
  keys->tx = key(arguments.source);
  keys->rx = key(!arguments.source);
  return keys;
}

void start_session(const Arguments& arguments, NetRole& net, ControlNetRings& control, AeadProvider& aead) {
  const LaneConfig& lane = net.config().lane;
  LaneSession session;
  session.local_session = arguments.source ? kSourceSession : kSinkSession;
  session.remote_session = arguments.source ? kSinkSession : kSourceSession;
  session.opens_odd_flows = arguments.source;
  session.peer_flows_max = lane.flows_max;
  session.peer_streams = lane.stream_limits().max;
  session.peer_window_bytes = Lane::window_initial(lane);
  session.peer_frame_window = Lane::frame_window(lane);
  auto start = std::make_unique<LaneStart>(LaneStart{.session = session, .streams = net.make_streams(0, session), .keys = make_keys(arguments, aead)});
  if (control.to_net.push({.kind = ControlToNetKind::kStart, .start = start.get()})) start.release();
}

void print(const Arguments& arguments, const std::string& device, const NetRole& net, const core::Reading& begin, const core::Reading& end) {
  const double seconds = static_cast<double>(end.now_ns - begin.now_ns) * 1e-9;
  const double cpu_s = static_cast<double>(end.cpu_ns - begin.cpu_ns) * 1e-9;
  const auto busy = static_cast<double>(end.busy_cycles - begin.busy_cycles);
  const auto idle = static_cast<double>(end.idle_cycles - begin.idle_cycles);
  // Of the time the thread really had, what was not empty polling.
  const double busy_s = cpu_s * busy / (busy + idle);
  const double port_share = static_cast<double>(end.port_cycles - begin.port_cycles) / busy;
  const std::uint64_t packets = arguments.source ? end.port.tx_packets - begin.port.tx_packets
                                                 : end.port.rx_packets - begin.port.rx_packets;
  const double cycles_per_packet = busy_s * static_cast<double>(TscClock().hz()) / static_cast<double>(packets);
  std::cout << json{{"role", arguments.source ? "source" : "sink"},
                    {"seconds", seconds},
                    {"cipher", arguments.cipher},
                    {"crypto_device", device},
                    {"cpu_s", cpu_s},
                    {"busy_s", busy_s},
                    {"tsc_hz", TscClock().hz()},
                    {"packets", packets},
                    {"cycles_per_packet", cycles_per_packet},
                    {"port_cycles_per_packet", cycles_per_packet * port_share},
                    {"frame_gbps", static_cast<double>(end.frame_bytes - begin.frame_bytes) * 8e-9 / seconds},
                    {"tx_packets", end.port.tx_packets - begin.port.tx_packets},
                    {"rx_packets", end.port.rx_packets - begin.port.rx_packets},
                    {"tx_full", end.port.tx_full - begin.port.tx_full},
                    {"lost", end.packets.packets_lost - begin.packets.packets_lost},
                    {"spurious", end.packets.losses_spurious - begin.packets.losses_spurious},
                    {"acks", end.lane.acks_sent - begin.lane.acks_sent},
                    {"duplicate_bytes", end.lane.data_bytes_duplicate - begin.lane.data_bytes_duplicate},
                    {"rtt_us", static_cast<double>(net.lane(0).smoothed_rtt_ns()) * 1e-3},
                    {"min_rtt_us", static_cast<double>(net.lane(0).min_rtt_ns()) * 1e-3},
                    {"state", net.lane(0).streams()[0]->congestion().state_name()},
                    {"window_bytes", net.lane(0).window_bytes()},
                    {"bandwidth_gbps", static_cast<double>(net.lane(0).bandwidth_bytes_per_sec()) * 8e-9}}
            << std::endl;
}

int run(const Arguments& arguments) {
  DpdkPortConfig port_config;
  port_config.mtu = arguments.mtu;
  port_config.rx_descriptors = port_config.tx_descriptors = arguments.ring_packets;
  auto port = DpdkPort::open(port_config);
  if (!port) throw std::runtime_error(port.error());
  core::MeteredQueue queue((*port)->queue(0));
  const TscClock clock;
  const NetRoleConfig config = net_config(arguments, queue.info(), clock);
  const auto aead = make_aead(arguments);
  MigrationTable migrations(1);
  ControlNetRings control;
  CodecNetRings rings(arguments.frames, config.lane.rx_frames_max, Lane::flow_places(config.lane));
  NetRole net(config, queue, migrations, control, {&rings});
  core::FrameRole frames(rings, *migrations.claim(), arguments.source ? arguments.frames : 0, arguments.frame_bytes);
  core::Meter meter({.warmup_ns = static_cast<std::uint64_t>(arguments.warmup_s * 1e9),
                     .window_ns = static_cast<std::uint64_t>(arguments.seconds * 1e9)},
                    net, queue, frames, [&](const core::Reading& begin, const core::Reading& end) {
                      print(arguments, aead->device(cipher_of(arguments)), net, begin, end);
                    });
  start_session(arguments, net, control, *aead);
  LcoreLoop loop({&net, &frames, &meter}, arguments.sleep_max_us * kNsPerUs);
  meter.set_loop(loop);
  running_loop = &loop;
  signal(SIGTERM, stop_running);
  signal(SIGUSR1, stop_running);
  signal(SIGINT, stop_running);
  loop.run();
  wait_for_end();
  for (NetToControl message; control.to_control.pop(message);) dispose(message);
  if (frames.failed()) throw std::runtime_error("the flow ended");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int own = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--") own = i + 1;
  }
  Arguments arguments;
  std::string role;
  CLI::App app("One end of a lane on one core, measured.", "dwcp-core [EAL arguments] --");
  app.add_option("role", role, "source or sink")->required()->check(CLI::IsMember({"source", "sink"}));
  app.add_option("--mtu", arguments.mtu, "bytes of IP packet")->check(CLI::Range(1280, 9000));
  app.add_option("--streams", arguments.streams, "so many and no other number; else as the gateway's defaults")->check(CLI::Range(1, 64));
  app.add_option("--frames", arguments.frames, "under way at once")->check(CLI::Range(1, 400));
  app.add_option("--frame-bytes", arguments.frame_bytes)->check(CLI::Range(1, 256 * 1024));
  app.add_option("--seconds", arguments.seconds, "of the window")->check(CLI::PositiveNumber);
  app.add_option("--warmup", arguments.warmup_s, "seconds before it");
  app.add_option("--sleep-max-us", arguments.sleep_max_us, "idle sleeps; 0: poll without end");
  std::vector<std::string> ciphers(kCipherNames.begin(), kCipherNames.end());
  ciphers.emplace_back(kNoCipher);
  app.add_option("--cipher", arguments.cipher, "that seals the packets")->check(CLI::IsMember(ciphers));
  app.add_option("--crypto-driver", arguments.crypto_driver, "such as crypto_openssl, in place of the best there is");
  app.add_option("--ring-packets", arguments.ring_packets, "descriptors of each ring");
  std::vector<std::string> words(argv + own, argv + argc);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  arguments.source = role == "source";
  const auto eal = start_eal(own > 1 ? argc : 1, argv, {.file_prefix = "dwcp-core-" + role});
  if (!eal) return std::fprintf(stderr, "dwcp-core: %s\n", eal.error().c_str()), 1;
  int status = 0;
  try {
    status = run(arguments);
  } catch (const std::exception& error) {
    status = (std::fprintf(stderr, "dwcp-core: %s\n", error.what()), 1);
  }
  stop_eal();
  return status;
}
