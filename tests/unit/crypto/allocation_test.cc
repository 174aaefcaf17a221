// SPDX-License-Identifier: Apache-2.0
// Sealing and opening do not allocate on a prepared lcore.  malloc and its kin are interposed, so the PMDs', ipsec_mb's and
// OpenSSL's calls count too.
#include <gtest/gtest.h>
#include <rte_launch.h>


#include "counted_allocations.h"
#include "dataplane/crypto/cryptodev_provider.h"
#include "eal.h"
#include "evp.h"

namespace dwcp {
namespace {

[[maybe_unused]] const auto* const kEal = testing::AddGlobalTestEnvironment(new Eal({"--lcores=0@0,1@0"}));

struct Work {
  AeadKey* key = nullptr;
  evp::Burst* burst = nullptr;
  std::uint64_t allocated = 0;
  bool right = true;
};

// On the worker lcore, as a net role would.
int seal_and_open(void* argument) {
  Work& run = *static_cast<Work*>(argument);
  auto& packets = run.burst->packets;
  const std::uint64_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    run.key->seal(packets);
    run.burst->memory[3][20] ^= 1;
    run.key->open(packets);
    run.right = run.right && !packets[3].good && packets[4].good;
  }
  run.allocated = allocations - before;
  return 0;
}

TEST(crypto_allocation, none_on_a_prepared_lcore) {
#ifdef DWCP_SANITIZED
  GTEST_SKIP() << "SKIPPED: the sanitizer owns malloc";
#endif
  Rng rng(3);
  for (const Way& way : kWays) {
    const std::uint64_t before_construction = allocations;
    CryptodevProvider provider(config_of(way));
    ASSERT_TRUE(provider.prepare_lcore(1));
    auto key = provider.make_key(way.cipher, evp::random_bytes(rng, cipher_key_bytes(way.cipher)));
    ASSERT_TRUE(key) << key.error();
    EXPECT_GT(allocations, before_construction);  // it does count
    const std::vector<std::size_t> sizes = {0, 1, 100, 1456, 8946, 64, 1456, 1456};
    evp::Burst burst(rng, sizes);
    Work run{.key = key->get(), .burst = &burst};
    ASSERT_EQ(rte_eal_remote_launch(seal_and_open, &run, 1), 0);
    rte_eal_wait_lcore(1);
    EXPECT_TRUE(run.right) << way.driver;
    EXPECT_EQ(run.allocated, 0U) << way.driver << ' ' << cipher_name(way.cipher);
  }
}

}  // namespace
}  // namespace dwcp
