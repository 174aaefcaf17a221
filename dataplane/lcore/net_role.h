// SPDX-License-Identifier: Apache-2.0
// The net role: one queue pair of the port, the host that answers for it (ARP, ND, ICMP), and one lane per peer.
//
// The way of a packet in:   port ─ parse ─┬─ examined by the lane ─ opened in bursts ─ lane ─ events ─ ring to codec
//                                         ├─ host
//                                         └─ handshake, if its cookie is good ─ ring to control
// The way of a frame out:   ring from codec ─ lane ─ datagram written behind room for its headers ─ sealed ─ headers ─ port
//
// step() runs on its lcore only; so do the lanes.  Others see it through rings, LaneShared and the published report.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/rate_limit.h"
#include "dataplane/crypto/cookie_jar.h"
#include "dataplane/crypto/link_keys.h"
#include "dataplane/inet/datagram_header.h"
#include "dataplane/inet/host.h"
#include "dataplane/inet/parse.h"
#include "dataplane/lcore/net_report.h"
#include "dataplane/lcore/role.h"
#include "dataplane/rings/control_message.h"
#include "dataplane/rings/frame_message.h"
#include "dataplane/rings/lane_shared.h"
#include "dataplane/rings/published.h"
#include "dataplane/transport/lane.h"
#include "drivers/port.h"

namespace dwcp {

struct NetRoleConfig {
  std::uint16_t index = 0;  // among the net lcores
  inet::HostConfig host;
  std::uint16_t udp_port = 0;
  std::vector<inet::SocketAddress> peers;  // one lane each
  LaneConfig lane;
  std::uint64_t session_timeout_ns = 45 * kNsPerSec;
  std::uint64_t backlog_max_ns = 100 * kNsPerMs;
  // Read once more after packets were taken from the port: a thread that lost the CPU in between would otherwise believe
  // that they came before they did, and measure round trips shorter than the path.  Empty: time stands still within a step.
  std::function<std::uint64_t()> clock;
};

class NetRole final : public Role {
 public:
  // Reserves and touches all lanes' memory.  `queue`, `control` and `codecs` outlive this.
  NetRole(const NetRoleConfig& config, PortQueue& queue, MigrationTable& migrations, ControlNetRings& control,
          std::vector<CodecNetRings*> codecs);
  ~NetRole() override;

  [[nodiscard]] std::size_t step(std::uint64_t now_ns) noexcept override;
  [[nodiscard]] std::uint64_t deadline_ns() noexcept override;
  [[nodiscard]] const char* name() const noexcept override { return "net"; }

  // Any thread.
  [[nodiscard]] const LaneShared& lane_shared(std::size_t lane) const noexcept { return links_[lane]->shared; }
  // The control thread: the streams of a session to come, made off the lcore.
  [[nodiscard]] Streams make_streams(std::size_t lane, const LaneSession& session) { return links_[lane]->lane.make_streams(session); }
  // The lcore, or anyone while it does not run.
  [[nodiscard]] const Lane& lane(std::size_t lane) const noexcept { return links_[lane]->lane; }
  [[nodiscard]] Published<NetReport>& report() noexcept { return report_; }
  [[nodiscard]] const NetRoleConfig& config() const noexcept { return config_; }

 private:
  // A flow of a lane, and the codec lcore it belongs to.
  struct FlowOwner {
    FlowId flow{};
    std::uint16_t codec = 0;
    bool used = false;
    MigrationSlot* slot = nullptr;  // once a frame was submitted
  };

  // A lane and what carries it over this port.
  struct Link {
    // A flow's place in the lane may be taken again before the event of its end was polled; of those events the lane has
    // no more than places.
    explicit Link(const LaneConfig& config) : lane(config), owners(2 * Lane::flow_places(config)) {}
    Lane lane;
    LinkKeys keys;
    std::uint64_t attempt = 0;        // of ours as initiator: the newest that control has sent a packet of
    std::uint64_t knock_due_ns = 0;   // knocks before then are too many
    RateLimit handshakes{kNsPerSec / 200, 64};  // packets for control: an attempt takes about ten
    // One a packet that came, so an address that is forged as the peer's is sent no more; and not so many that they cost data.
    RateLimit cookies{kNsPerSec / 20'000, 256};
    std::vector<inet::UdpTemplate> headers;  // by stream
    std::array<std::uint8_t, wire::kStreamsMax> paths{};  // the path each header is made for
    MacAddress next_hop{};
    std::vector<FlowOwner> owners;
    LaneShared shared;
    LaneStart* pending_start = nullptr;
    std::optional<EndReason> stop_reason;  // the session ends as soon as the peer can be told
    bool next_hop_known = false;
  };

  // net_role.cc
  std::size_t take_control(std::uint64_t now_ns) noexcept;
  void begin_pending(std::uint64_t now_ns, std::uint16_t index) noexcept;
  void stop_session(std::uint64_t now_ns, std::uint16_t index) noexcept;
  void end_session(std::uint16_t index, EndReason reason) noexcept;
  void resolve_next_hops() noexcept;
  [[nodiscard]] static std::uint16_t source_port(std::uint32_t session, std::size_t stream, std::uint8_t path) noexcept;
  [[nodiscard]] inet::UdpTemplate header_for(std::size_t index, std::size_t stream, std::uint8_t path) const noexcept;
  void check_sessions(std::uint64_t now_ns) noexcept;
  void tend_keys(std::uint64_t now_ns) noexcept;
  void publish(std::uint64_t now_ns) noexcept;
  void tell_control(const NetToControl& message) noexcept;

  // net_receive.cc
  // Moves `now_ns` on to when the packets were taken from the port.
  std::size_t receive(std::uint64_t& now_ns) noexcept;
  void take_datagram(std::uint64_t now_ns, const RxPacket& packet, const inet::Datagram& datagram) noexcept;
  void take_data(const RxPacket& packet, const inet::Datagram& datagram) noexcept;
  void open_packets(std::uint64_t now_ns) noexcept;
  void take_path_mtu(std::uint64_t now_ns, const inet::PathMtuReport& report) noexcept;

  // net_handshake.cc
  void take_handshake(std::uint64_t now_ns, const inet::Datagram& datagram) noexcept;
  void give_handshake(std::uint64_t now_ns, std::uint16_t index, std::span<const std::uint8_t> packet) noexcept;
  void answer_with_cookie(std::uint64_t now_ns, std::uint16_t index, const wire::HandshakeHeader& asked) noexcept;
  [[nodiscard]] std::array<std::uint8_t, CookieJar::kSubjectBytes> cookie_subject(std::uint16_t index) const noexcept;
  void send_handshake(std::uint16_t index, std::span<const std::uint8_t> packet) noexcept;

  // net_transmit.cc
  std::size_t transmit(std::uint64_t now_ns) noexcept;
  std::size_t transmit_lane(std::uint64_t now_ns, std::size_t index) noexcept;
  [[nodiscard]] std::size_t seal(Link& link, std::size_t count) noexcept;
  [[nodiscard]] std::span<TxPacket> tx_buffers() noexcept;
  void tx_send(std::size_t count) noexcept;
  void give_up_stuck(std::uint64_t now_ns) noexcept;
  void poll_host(std::uint64_t now_ns) noexcept;

  // net_frames.cc
  std::size_t take_codec(std::uint64_t now_ns) noexcept;
  void take_codec_message(std::uint64_t now_ns, std::uint16_t codec, const CodecToNet& message) noexcept;
  std::size_t take_lane_events(std::uint64_t now_ns) noexcept;
  void give_event(std::uint64_t now_ns, std::uint16_t index, const LaneEvent& event) noexcept;
  void tell_codec(std::uint16_t codec, const NetToCodec& message) noexcept;
  [[nodiscard]] FlowOwner* owner_of(Link& link, FlowId flow) noexcept;
  FlowOwner& add_owner(Link& link, FlowId flow, std::uint16_t codec) noexcept;
  [[nodiscard]] FlowRef ref(std::uint16_t index, FlowId flow) const noexcept;

  NetRoleConfig config_;
  PortQueue& queue_;
  MigrationTable& migrations_;
  ControlNetRings& control_;
  std::vector<CodecNetRings*> codecs_;

  inet::Parser parser_;
  inet::Host host_;
  std::uint64_t host_generation_ = ~std::uint64_t{0};
  inet::ChecksumMode checksum_mode_;
  std::vector<std::unique_ptr<Link>> links_;

  std::array<RxPacket, kBurstMax> rx_{};
  std::array<TxPacket, kBurstMax> tx_{};  // [0, tx_ready_) reserved from the port, the first tx_waiting_ of them written
  std::size_t tx_ready_ = 0;
  std::size_t tx_waiting_ = 0;            // what the port had no room for; nothing new is written before it has gone
  std::uint64_t tx_moved_ns_ = 0;         // when the port last took something or had nothing waiting, as housekeeping saw it
  std::uint64_t tx_moved_packets_ = 0;    // its counter then
  std::uint64_t tx_given_up_ = 0;
  std::array<TxDatagram, kBurstMax> datagrams_{};
  std::uint64_t seals_failed_ = 0;        // packets that were not sent for it

  // Data packets of a burst that wait to be opened together.
  struct Opening {
    std::uint16_t link = 0;
    Ecn ecn = Ecn::kNotEct;
    std::uint8_t epoch_bits = 0;
  };
  std::array<Opening, kBurstMax> openings_{};
  std::array<SealedPacket, kBurstMax> sealed_{};  // of openings_, and of datagrams_ on their way out
  std::size_t opening_count_ = 0;

  CookieJar cookies_;
  ControlToNet from_control_;             // here, since it is large and asked for in every step

  wire::DropCounters drops_{};  // datagrams no lane wanted
  std::uint64_t reports_untrusted_ = 0;  // too-big reports that quote no packet of any stream
  std::uint64_t housekeeping_ns_ = 0;
  std::uint64_t publish_ns_ = 0;
  std::uint64_t control_full_ = 0;
  std::size_t event_turn_ = 0;
  Published<NetReport> report_;
};

}  // namespace dwcp
