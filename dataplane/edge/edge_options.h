// SPDX-License-Identifier: Apache-2.0
// What an edge thread is built from: plain values, already validated by whoever reads the configuration.  Endpoints are
// written tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH; names are resolved once, at start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"

namespace dwcp {

// Where a source hypervisor connects to us.
struct EdgeListenerOptions {
  std::uint16_t index = 0;  // goes into MigrationSlot::listener
  std::uint16_t peer = 0;   // goes into MigrationSlot::peer
  std::string name;         // for messages
  std::string endpoint;
};

// Where a target hypervisor waits for us.
struct EdgeServiceOptions {
  std::uint16_t index = 0;  // CodecToEdge::service
  std::string name;         // for messages
  std::string endpoint;
  std::uint64_t connect_timeout_ns = 5 * kNsPerSec;
};

struct EdgeOptions {
  std::vector<EdgeListenerOptions> listeners;
  std::vector<EdgeServiceOptions> services;

  // Ingress blocks of this thread, and of them how many one migration may hold.  What a migration holds here hides from
  // its hypervisor, so few: 8 are 2 MiB.  Both at least 1.
  std::size_t ingress_blocks = 64;
  std::size_t ingress_blocks_per_migration = 8;

  // How long a block that is not full may wait for more bytes while the codec is busy; rounded up to 1 ms.
  std::uint64_t flush_delay_ns = kNsPerMs;

  // What blocks are stamped with.  The codec lcores' clock; empty: the kernel's monotonic one.
  std::function<std::uint64_t()> clock;

  // Kernel buffers hide the WAN from the hypervisor as our own do, and what waits in them we cannot even see.  Over loopback
  // the sender's buffer follows the window: with 1 MiB here both held 5.8 MiB of a hypervisor that was not read, with 128 KiB
  // 1.3 MiB (a unix socket: 0.2 MiB).  edge_bench found no throughput lost by it; 128 KiB at 1 Gb/s is a read each
  // millisecond.  Towards a hypervisor nothing is gained by less: it reads as fast as it can.  Bytes; 0 leaves the kernel's
  // default.
  int receive_buffer_bytes = 128 << 10;
  int send_buffer_bytes = 1 << 20;
};

}  // namespace dwcp
