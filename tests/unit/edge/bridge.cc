// SPDX-License-Identifier: Apache-2.0
#include "bridge.h"

#include <chrono>
#include <cstring>

#include "base/assert.h"

namespace dwcp::test {

Bridge::Bridge(Harness& harness) : h_(harness), sides_(harness.options.slots), thread_([this] { run(); }) {}

Bridge::~Bridge() {
  join();
}

void Bridge::join() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Bridge::run() {
  while (!stop_) {
    if (!poll()) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

bool Bridge::poll() {
  bool worked = false;
  EdgeToCodec message;
  for (auto& rings : h_.rings) {
    while (rings->to_codec.pop(message)) {
      handle(message);
      worked = true;
    }
  }
  if (!stalled) {
    for (Side& side : sides_) pass_on(side);
  }
  return worked;
}

void Bridge::handle(const EdgeToCodec& message) {
  if (message.kind == EdgeToCodecKind::kBlockReturn) {
    h_.egress.put(message.block);
    return;
  }
  Side& side = sides_[message.migration.slot];
  if (message.kind == EdgeToCodecKind::kOpen) {
    DWCP_ASSERT(!side.live);
    side = {};
    side.migration = message.migration;
    side.live = side.connected = true;
    const auto other = h_.table.claim();
    if (!other) {
      side.other = message.migration.slot;
      h_.say(
          {.migration = message.migration, .kind = CodecToEdgeKind::kAbort, .reason = EndReason::kResourceExhausted});
      return;
    }
    side.other = other->slot;
    Side& far = sides_[other->slot];
    far = {};
    far.migration = *other;
    far.other = message.migration.slot;
    far.live = true;
    h_.say({.migration = *other, .kind = CodecToEdgeKind::kConnect, .service = 0});
    return;
  }
  DWCP_ASSERT(side.live && side.migration == message.migration);
  switch (message.kind) {
    case EdgeToCodecKind::kConnected:
      side.connected = true;
      break;
    case EdgeToCodecKind::kData:
      DWCP_ASSERT(!side.eof && message.block->length > 0);
      ++blocks;
      side.input.push_back(message);
      break;
    case EdgeToCodecKind::kEof:
      DWCP_ASSERT(!side.eof);
      side.eof = true;
      break;
    case EdgeToCodecKind::kClosed:
      side.live = false;
      side.reason = message.reason;
      if (message.reason != EndReason::kNone) drop_input(side);
      release_if_over(side);
      break;
    case EdgeToCodecKind::kOpen:
    case EdgeToCodecKind::kBlockReturn:
      break;
  }
}

void Bridge::drop_input(Side& side) {
  for (const EdgeToCodec& data : side.input) h_.give_back(data);
  side.input.clear();
}

// Slots are released in pairs, so that neither is taken again while the other still points to it.
void Bridge::release_if_over(Side& side) {
  Side& other = sides_[side.other];
  if (other.live) return;
  drop_input(side);
  if (&other != &side) {
    drop_input(other);
    h_.table.release(other.migration);
  }
  h_.table.release(side.migration);
  ++ended;
}

void Bridge::pass_on(Side& from) {
  Side& to = sides_[from.other];
  if (&to == &from || !to.live || to.other >= sides_.size() || &sides_[to.other] != &from) return;
  if (!from.live && from.reason != EndReason::kNone) {
    if (!from.reason_passed) {
      h_.say({.migration = to.migration, .kind = CodecToEdgeKind::kAbort, .reason = from.reason});
    }
    from.reason_passed = true;
    return;
  }
  if (!to.connected) return;
  while (!from.input.empty() && h_.egress.available() > 0) {
    const EdgeToCodec& data = from.input.front();
    h_.say_data(to.migration, {data.block->data, data.block->length});
    h_.give_back(data);
    from.input.pop_front();
  }
  if (from.input.empty() && from.eof && !from.eof_passed) {
    from.eof_passed = true;
    h_.say({.migration = to.migration, .kind = CodecToEdgeKind::kEof});
  }
}

}  // namespace dwcp::test
