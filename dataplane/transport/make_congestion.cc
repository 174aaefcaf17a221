// SPDX-License-Identifier: Apache-2.0
#include "dataplane/transport/make_congestion.h"

#include "dataplane/transport/bbr.h"
#include "dataplane/transport/cubic.h"
#include "dataplane/transport/new_reno.h"

namespace dwcp {

std::unique_ptr<CongestionControl> make_congestion(const CongestionSetup& setup) {
  if (setup.kind == CongestionKind::kBbr) {
    BbrConfig config;
    config.datagram_bytes = setup.datagram_bytes;
    config.rate_max_bytes_per_sec = setup.rate_max_bytes_per_sec;
    config.seed = setup.seed;
    config.resume = setup.resume;
    return std::make_unique<Bbr>(config);
  }
  LossBasedConfig config;
  config.datagram_bytes = setup.datagram_bytes;
  config.rate_max_bytes_per_sec = setup.rate_max_bytes_per_sec;
  config.resume = setup.resume;
  if (setup.kind == CongestionKind::kCubic) return std::make_unique<Cubic>(config);
  return std::make_unique<NewReno>(config);
}

}  // namespace dwcp
