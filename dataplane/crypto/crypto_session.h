// SPDX-License-Identifier: Apache-2.0
// One session of a crypto device: an expanded key, in one direction of use (sealing or opening).  Made and released by the
// control thread (CryptoDevice), used by the net lcore in between.
#pragma once

#include <atomic>
#include <cstdint>

namespace dwcp {

struct CryptoSession {
  void* handle = nullptr;  // rte_cryptodev_sym_session
  // Operations the device has not given back in time, and may still be working on.  Counted by the net lcore.  A session
  // with any is not freed, since the device reads it.
  std::atomic<std::uint32_t> overdue{0};
};

}  // namespace dwcp
