// SPDX-License-Identifier: Apache-2.0
#include "dwcp-wan/packet_port.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace dwcp::wan {
namespace {

// 2 KiB slots: the ring lasts 400 ms at 1 Gb/s of full frames and 65 ms of 250-byte ones.  A veth has no rate of its
// own: 8192 slots overflowed when eight BBR flows started up on a busy machine (2.5 Gb/s into a stall of 40 ms).
constexpr std::size_t kSlots = 32768;
constexpr std::size_t kSlotBytesMin = 2048;
constexpr std::size_t kBlockBytesMin = 64 * 1024;
constexpr std::size_t kVlanTagBytes = 4;
constexpr std::size_t kMacBytes = 12;
constexpr int kSendBufferBytes = 8 << 20;
constexpr std::size_t kSendBatch = 64;
constexpr int kSendRetries = 3;

std::string failure(const std::string& iface, const char* what) {
  return iface + ": " + what + ": " + std::strerror(errno);
}

template <typename T>
bool set_option(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

}  // namespace

expected<std::unique_ptr<PacketPort>, std::string> PacketPort::open(const std::string& iface) {
  std::unique_ptr<PacketPort> port(new PacketPort(iface));
  std::string error = port->set_up();
  if (!error.empty()) return unexpected<std::string>(std::move(error));
  return port;
}

PacketPort::~PacketPort() {
  if (ring_ != nullptr) munmap(ring_, ring_bytes_);
  if (rx_fd_ >= 0) close(rx_fd_);
  if (tx_fd_ >= 0) close(tx_fd_);
}

std::string PacketPort::set_up() {
  if (name_.size() >= IFNAMSIZ) return name_ + ": no such interface (name too long)";
  const unsigned index = if_nametoindex(name_.c_str());
  if (index == 0) return name_ + ": no such interface";
  // Protocol 0 keeps both sockets deaf until they are ready; the sending one stays so.
  rx_fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (rx_fd_ < 0 && errno == EPERM) return name_ + ": no right to open a packet socket (needs root or CAP_NET_RAW)";
  if (rx_fd_ < 0) return failure(name_, "packet socket");
  tx_fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (tx_fd_ < 0) return failure(name_, "packet socket");

  ifreq request{};
  std::memcpy(request.ifr_name, name_.c_str(), name_.size());
  if (ioctl(rx_fd_, SIOCGIFHWADDR, &request) != 0) return failure(name_, "hardware address");
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return name_ + ": not an Ethernet interface";
  if (ioctl(rx_fd_, SIOCGIFFLAGS, &request) != 0) return failure(name_, "flags");
  if ((request.ifr_flags & IFF_UP) == 0) return name_ + ": interface is down";
  if (ioctl(rx_fd_, SIOCGIFMTU, &request) != 0) return failure(name_, "MTU");
  if (std::string error = set_up_ring(static_cast<std::uint32_t>(request.ifr_mtu)); !error.empty()) return error;

  const int on = 1;
  if (!set_option(rx_fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, on)) return failure(name_, "PACKET_IGNORE_OUTGOING");
  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = static_cast<int>(index);
  promiscuous.mr_type = PACKET_MR_PROMISC;
  if (!set_option(rx_fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)) return failure(name_, "promiscuous mode");
  if (!set_option(tx_fd_, SOL_PACKET, PACKET_QDISC_BYPASS, on)) return failure(name_, "PACKET_QDISC_BYPASS");
  if (!set_option(tx_fd_, SOL_SOCKET, SO_SNDBUFFORCE, kSendBufferBytes)) {
    set_option(tx_fd_, SOL_SOCKET, SO_SNDBUF, kSendBufferBytes);  // without CAP_NET_ADMIN: as much as allowed
  }

  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(index);
  if (bind(tx_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failure(name_, "bind");
  address.sll_protocol = htons(ETH_P_ALL);
  if (bind(rx_fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failure(name_, "bind");
  return {};
}

std::string PacketPort::set_up_ring(std::uint32_t mtu) {
  const int version = TPACKET_V2;
  if (!set_option(rx_fd_, SOL_PACKET, PACKET_VERSION, version)) return failure(name_, "TPACKET_V2");
  // Room in front of each frame to put a VLAN tag back that the kernel took out.
  const int reserve = kVlanTagBytes;
  if (!set_option(rx_fd_, SOL_PACKET, PACKET_RESERVE, reserve)) return failure(name_, "PACKET_RESERVE");

  slot_bytes_ = kSlotBytesMin;
  while (slot_bytes_ < TPACKET2_HDRLEN + 64 + kVlanTagBytes + mtu) slot_bytes_ *= 2;
  slot_count_ = kSlots * kSlotBytesMin / slot_bytes_ < 1024 ? 1024 : kSlots * kSlotBytesMin / slot_bytes_;
  tpacket_req request{};
  request.tp_frame_size = static_cast<unsigned>(slot_bytes_);
  request.tp_frame_nr = static_cast<unsigned>(slot_count_);
  request.tp_block_size = static_cast<unsigned>(slot_bytes_ < kBlockBytesMin ? kBlockBytesMin : slot_bytes_);
  request.tp_block_nr = static_cast<unsigned>(slot_count_ * slot_bytes_ / request.tp_block_size);
  if (!set_option(rx_fd_, SOL_PACKET, PACKET_RX_RING, request)) return failure(name_, "receive ring");
  ring_bytes_ = slot_count_ * slot_bytes_;
  void* memory = mmap(nullptr, ring_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, rx_fd_, 0);
  if (memory == MAP_FAILED) return failure(name_, "map receive ring");
  ring_ = static_cast<std::uint8_t*>(memory);
  return {};
}

bool PacketPort::peek(RingFrame& frame) noexcept {
  tpacket2_hdr* header = slot();
  const std::uint32_t status = std::atomic_ref(header->tp_status).load(std::memory_order_acquire);
  if ((status & TP_STATUS_USER) == 0) return false;
  std::uint8_t* bytes = reinterpret_cast<std::uint8_t*>(header) + header->tp_mac;
  std::size_t length = header->tp_snaplen;
  frame.truncated = header->tp_len > header->tp_snaplen;
  if ((status & TP_STATUS_VLAN_VALID) != 0 && length >= kMacBytes) {
    const std::uint16_t tpid = (status & TP_STATUS_VLAN_TPID_VALID) != 0 ? header->tp_vlan_tpid : ETHERTYPE_VLAN;
    std::memmove(bytes - kVlanTagBytes, bytes, kMacBytes);
    bytes -= kVlanTagBytes;
    length += kVlanTagBytes;
    const std::array<std::uint16_t, 2> tag = {htons(tpid), htons(header->tp_vlan_tci)};
    std::memcpy(bytes + kMacBytes, tag.data(), kVlanTagBytes);
  }
  frame.bytes = {bytes, length};
  frame.arrival_real_ns = std::uint64_t{header->tp_sec} * 1'000'000'000 + header->tp_nsec;
  frame.checksum_missing = (status & TP_STATUS_CSUMNOTREADY) != 0;
  return true;
}

void PacketPort::pop() noexcept {
  std::atomic_ref(slot()->tp_status).store(TP_STATUS_KERNEL, std::memory_order_release);
  slot_ = slot_ + 1 == slot_count_ ? 0 : slot_ + 1;
}

std::size_t PacketPort::send(std::span<iovec> frames) noexcept {
  std::array<mmsghdr, kSendBatch> messages;
  std::size_t sent = 0;
  while (!frames.empty()) {
    const std::size_t batch = std::min(frames.size(), kSendBatch);
    for (std::size_t i = 0; i < batch; ++i) {
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &frames[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    std::size_t done = 0;
    for (int tries = 0; done < batch && tries < kSendRetries; ++tries) {
      const int n = sendmmsg(tx_fd_, messages.data() + done, static_cast<unsigned>(batch - done), MSG_DONTWAIT);
      if (n > 0) {
        done += static_cast<std::size_t>(n);
        tries = 0;
      } else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
        break;  // this frame will never go (too long, interface down)
      }
    }
    sent += done;
    // The frame that could not go is given up; those behind it get their turn.
    frames = frames.subspan(done < batch ? done + 1 : batch);
  }
  return sent;
}

std::uint64_t PacketPort::ring_drops() noexcept {
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  if (getsockopt(rx_fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0) ring_drops_ += stats.tp_drops;
  return ring_drops_;
}

}  // namespace dwcp::wan
