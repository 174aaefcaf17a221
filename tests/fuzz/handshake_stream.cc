// SPDX-License-Identifier: Apache-2.0
// Contract: whatever handshake packets come, in whatever order and time, a stream hands up each byte once, in order and as it
// first came, holds no more than its bound, and answers no packet by more than its window and one acknowledgement.
//
// Input: steps.  The low two bits of the first byte say what:
//   0: a packet: offset (be32 if bit 2 is set, else be16), acknowledgement (the same), a byte l, and l x 8 bytes of data
//   1: a byte l: l x 16 bytes are written      2: a byte t: t x 20 ms pass      3: another cookie
#include <optional>
#include <vector>

#include "base/interval_set.h"
#include "control/handshake/handshake_stream.h"
#include "dataplane/wire/packet.h"
#include "input.h"

namespace {

using namespace dwcp;
using fuzz::require;

// As slow as can be, and right.
struct Model {
  std::vector<std::optional<std::uint8_t>> bytes = std::vector<std::optional<std::uint8_t>>(wire::kHandshakeStreamBytesMax);
  IntervalSet<std::uint32_t, HandshakeStream::kHolesMax> came;
  std::size_t read = 0;

  void take(std::uint32_t offset, std::span<const std::uint8_t> data) {
    std::uint32_t added = 0;
    const auto end = static_cast<std::uint32_t>(offset + data.size());
    if (data.empty() || came.insert(offset, end, added) != decltype(came)::Inserted::kSome) return;
    for (std::size_t i = 0; i < data.size(); ++i) {
      if (!bytes[offset + i]) bytes[offset + i] = data[i];
    }
  }
};

struct Bench {
  HandshakeStream stream{wire::HandshakeKind::kResponder, 7, 0};
  Model model;
  std::uint64_t now_ns = kNsPerSec;
  std::size_t written = 0;
  std::uint32_t sent_end = 0;

  void transmit() {
    std::size_t packets = 0;
    stream.transmit(now_ns, [&](std::span<const std::uint8_t> packet) {
      ++packets;
      require(packet.size() >= sizeof(wire::HandshakeHeader) && packet.size() <= wire::kHandshakePacketBytesMax);
      const auto& header = *reinterpret_cast<const wire::HandshakeHeader*>(packet.data());
      require(header.length == packet.size() - sizeof(header) && header.offset + header.length <= written);
      require(header.ack == model.read);
      sent_end = std::max<std::uint32_t>(sent_end, header.offset + header.length);
    });
    require(packets <= HandshakeStream::kWindowBytes / wire::kHandshakeDataMax + 1);
  }

  void receive(std::uint32_t offset, std::uint32_t ack, std::span<const std::uint8_t> data) {
    wire::HandshakeHeader header{};
    header.type = wire::type_byte(wire::PacketType::kHandshake);
    header.kind = static_cast<std::uint8_t>(wire::HandshakeKind::kInitiator);
    header.length = static_cast<std::uint16_t>(data.size());
    header.attempt = 7;
    header.offset = offset;
    header.ack = ack;
    const std::vector<std::uint8_t> exact(data.begin(), data.end());
    const bool possible = ack <= sent_end && offset <= wire::kHandshakeStreamBytesMax &&
                          data.size() <= wire::kHandshakeStreamBytesMax - offset;
    require(stream.receive(now_ns, {.header = &header, .data = exact}) == possible);
    if (possible) model.take(offset, exact);
    for (const std::uint8_t byte : stream.read()) require(model.bytes[model.read++] == byte);
    require(model.read == bytes_in_order());
    transmit();
  }

  [[nodiscard]] std::size_t bytes_in_order() const {
    const auto intervals = model.came.intervals();
    return intervals.empty() || intervals.front().begin != 0 ? 0 : intervals.front().end;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bench bench;
  fuzz::Input input(data, size);
  for (int steps = 0; !input.empty() && steps < 300; ++steps) {
    const std::uint8_t what = input.byte();
    if (what % 4 == 0) {
      const bool wide = (what & 4) != 0;
      const std::uint32_t offset = wide ? input.be32() : input.be16();
      const std::uint32_t ack = wide ? input.be32() : input.be16();
      const std::size_t bytes = std::min(input.byte() * std::size_t{8}, wire::kHandshakeDataMax);
      bench.receive(offset, ack, input.take(bytes));
    } else if (what % 4 == 1) {
      const std::vector<std::uint8_t> more(input.byte() * std::size_t{16}, what);
      const bool fits = bench.written + more.size() <= wire::kHandshakeStreamBytesMax;
      require(bench.stream.write(more) == fits);
      if (fits) bench.written += more.size();
      bench.transmit();
    } else if (what % 4 == 2) {
      bench.now_ns += input.byte() * 20 * kNsPerMs;
      bench.transmit();
    } else {
      bench.stream.set_cookie({what});
      bench.transmit();
    }
    require(bench.stream.bytes_held() <= 4 * wire::kHandshakeStreamBytesMax);
  }
  return 0;
}
