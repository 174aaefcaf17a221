// SPDX-License-Identifier: Apache-2.0
// A hand-made data packet, valid or as wrong as a test wants, for playing a peer against a lane.
//
//   const auto datagram = Packet(session, stream, number).ping().data(1, 0, 10, 0, 10).sealed();
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dataplane/wire/chunk.h"
#include "dataplane/wire/packet.h"
#include "tests/sim/lab_seal.h"

namespace dwcp::sim {

class Packet {
 public:
  Packet(std::uint32_t session, std::uint8_t stream, std::uint32_t number) {
    put(wire::PacketHeader{
        .type = wire::type_byte(wire::PacketType::kData), .stream = stream, .session = session, .number = number});
  }

  Packet& bytes(std::span<const std::uint8_t> more) {
    for (const std::uint8_t byte : more) bytes_.push_back(byte);
    return *this;
  }
  Packet& ping() { return put(std::uint8_t{static_cast<std::uint8_t>(wire::ChunkType::kPing)}); }
  Packet& data(std::uint32_t flow, std::uint32_t frame, std::uint32_t frame_bytes, std::uint32_t offset,
               std::uint16_t length, std::uint8_t fill = 0) {
    put(wire::DataChunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kData),
                        .flow = flow,
                        .frame = frame,
                        .frame_bytes = frame_bytes,
                        .offset = offset,
                        .length = length});
    bytes_.insert(bytes_.end(), length, fill);
    return *this;
  }
  struct Range {
    std::uint16_t gap;
    std::uint16_t length;
  };
  Packet& ack(std::uint8_t stream, std::uint32_t largest, std::uint16_t first_length, std::vector<Range> ranges = {}) {
    put(wire::AckChunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kAck),
                       .stream = stream,
                       .largest = largest,
                       .delay_8us = std::uint16_t{0},
                       .first_length = first_length,
                       .range_count = static_cast<std::uint8_t>(ranges.size())});
    for (const Range& range : ranges) put(wire::AckRange{.gap = range.gap, .length = range.length});
    return *this;
  }
  Packet& ack_ecn(std::uint8_t stream, std::uint32_t largest, std::uint16_t first_length, const wire::AckEcnCounts& counts) {
    const std::size_t at = bytes_.size();
    ack(stream, largest, first_length);
    bytes_[at] = static_cast<std::uint8_t>(wire::ChunkType::kAckEcn);
    return put(counts);
  }
  Packet& parity(std::uint32_t flow, std::uint32_t frame, std::uint32_t frame_bytes, std::uint16_t symbol_bytes,
                 std::uint8_t row, std::uint8_t fill = 0) {
    put(wire::ParityChunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kParity),
                          .flow = flow,
                          .frame = frame,
                          .frame_bytes = frame_bytes,
                          .symbol_bytes = symbol_bytes,
                          .row = row});
    bytes_.insert(bytes_.end(), symbol_bytes, fill);
    return *this;
  }
  Packet& credit(std::uint32_t flow, std::uint64_t charge_limit, std::uint32_t frame_limit) {
    return put(wire::CreditChunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kCredit),
                                 .flow = flow,
                                 .charge_limit = charge_limit,
                                 .frame_limit = frame_limit});
  }
  Packet& reset(std::uint32_t flow, std::uint8_t reason) {
    return put(
        wire::ResetChunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kReset), .flow = flow, .reason = reason});
  }
  Packet& close(std::uint8_t reason) {
    return put(wire::CloseChunk{.type = static_cast<std::uint8_t>(wire::ChunkType::kClose), .reason = reason});
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() + wire::kSealBytes; }
  [[nodiscard]] std::vector<std::uint8_t> sealed() {
    const std::size_t length = bytes_.size();
    std::vector<std::uint8_t> datagram = bytes_;
    datagram.resize(length + wire::kSealBytes);
    seal(datagram.data(), length);
    return datagram;
  }

 private:
  template <typename T>
  Packet& put(const T& value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
    return *this;
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace dwcp::sim
