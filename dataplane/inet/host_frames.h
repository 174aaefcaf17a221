// SPDX-License-Identifier: Apache-2.0
// The frames a Host sends, each written whole into one buffer.  False: no buffer, or too small a one.  Internal to
// dataplane/inet; any thread.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/inet/address.h"
#include "dataplane/inet/parse.h"
#include "dataplane/inet/tx_batch.h"

namespace dwcp::inet {

struct ArpFields {
  std::uint16_t operation = 0;
  IpAddress sender;
  MacAddress target_mac{};
  IpAddress target;
};
[[nodiscard]] bool write_arp(TxBatch& out, const LocalAddresses& local, const MacAddress& destination,
                             const ArpFields& fields) noexcept;

struct NeighbourFields {
  std::uint8_t type = 0;    // solicitation or advertisement
  std::uint32_t flags = 0;  // of an advertisement
  IpAddress source;
  IpAddress destination;
  IpAddress target;
};
// Carries our MAC as the source or target link-address option.
[[nodiscard]] bool write_neighbour_message(TxBatch& out, const LocalAddresses& local, const MacAddress& destination,
                                           const NeighbourFields& fields) noexcept;

// `message` is the echo request, checksum verified; source and destination are those of the reply.
[[nodiscard]] bool write_echo_reply(TxBatch& out, const LocalAddresses& local, const MacAddress& destination_mac,
                                    const IpAddress& source, const IpAddress& destination,
                                    std::span<const std::uint8_t> message) noexcept;

}  // namespace dwcp::inet
