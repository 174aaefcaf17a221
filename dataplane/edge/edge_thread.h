// SPDX-License-Identifier: Apache-2.0
// EdgeThread: one ordinary thread with a libuv loop that owns the LAN-side sockets of hypervisors.  It turns their
// bytes into blocks for the codec lcores and blocks back into bytes; the protocol is that of
// dataplane/rings/edge_message.h, spoken over one pair of rings per codec lcore.  The migration of slot s belongs to
// codec s % codecs.
//
// Any number of edge threads may run; a listener belongs to one of them, a service may be given to all.
//
// Invariants
//   1. An ingress block is in the pool, being filled by one connection, or lent to the codec: never two of these.
//   2. A migration holds at most ingress_blocks_per_migration of them.  When no more can be had, its socket is no
//      longer read: the hypervisor feels it, nothing is dropped.
//   3. Every egress block is given back by kBlockReturn, whatever became of its connection.
//   4. kClosed is the last message of a migration but for block returns of a generation that is over, and its slot is
//      not touched after it.
//
// Use
//   EdgeThread edge(options, table, {&rings_of_codec_0, &rings_of_codec_1});
//   if (auto started = edge.start(); !started) ... started.error() is one line for the operator ...
//   ... codec lcores: rings.to_edge.push(message), then edge.wake() ...
//   edge.stop();       // resets what is open (kClosed with kShutdown) and joins
// start(), stop(), destructor: the composing thread.  wake(), counters(): any thread, until destruction.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/expected.h"
#include "dataplane/edge/edge_options.h"
#include "dataplane/rings/edge_message.h"
#include "dataplane/rings/migration_table.h"

namespace dwcp {

// Written by the edge thread, read relaxed by anyone.
struct EdgeCounters {
  Counter accepted;           // hypervisors that got a slot
  Counter rejected;           // hypervisors reset because every slot was taken
  Counter accept_errors;      // accept(2) failed, e.g. out of descriptors
  Counter connects;           // connects asked for by the codec
  Counter connect_failures;   // of them refused, timed out or impossible
  Counter resets;             // migrations ended by kHypervisorReset
  Counter open;               // connections now
  Counter ingress_available;  // blocks now in the pool
};

class EdgeThread {
 public:
  // Reserves and touches the ingress blocks.  `rings_by_codec` is not empty and outlives this; so does `table`.
  EdgeThread(EdgeOptions options, MigrationTable& table, std::vector<EdgeCodecRings*> rings_by_codec);
  ~EdgeThread();
  EdgeThread(const EdgeThread&) = delete;
  EdgeThread& operator=(const EdgeThread&) = delete;

  // Resolves, binds and listens before it returns, then runs the thread.  On failure nothing is left open and the error
  // is one line, e.g. "listener vm-in: cannot listen on tcp:127.0.0.1:4444: address already in use".  At most one
  // successful start().
  [[nodiscard]] expected<void, std::string> start();

  // Resets all connections, tells the codecs kClosed(kShutdown), removes unix sockets, joins.  Harmless when not
  // running.
  void stop();

  // Something was pushed to a to_edge ring.
  void wake() noexcept;

  [[nodiscard]] const EdgeCounters& counters() const noexcept;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace dwcp
