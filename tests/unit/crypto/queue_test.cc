// SPDX-License-Identifier: Apache-2.0
// A device that is late, loses operations, returns them in another order or takes none: the software devices' queues, with
// DPDK's own callbacks on enqueue and dequeue in between.
#include "dataplane/crypto/crypto_queue.h"

#include <gtest/gtest.h>
#include <rte_cryptodev.h>
#include <rte_mempool.h>

#include <algorithm>
#include <set>

#include "dataplane/crypto/cryptodev_provider.h"
#include "eal.h"
#include "evp.h"

namespace dwcp {
namespace {

using evp::Burst;
using evp::Bytes;

// What lies between the queue and its device.
struct Trouble {
  std::size_t hold = 0;        // so many of what comes back are kept from now on
  bool release = false;        // what was kept comes back
  bool reverse = false;        // the other way round
  std::uint16_t takes = 1000;  // operations the device takes at a time
  std::size_t room = 1000;     // and that it may have kept when it takes more
  std::size_t polls = 0;
  std::vector<rte_crypto_op*> held;
};

uint16_t on_dequeue(uint16_t, uint16_t, rte_crypto_op** ops, uint16_t count, void* argument) {
  auto& trouble = *static_cast<Trouble*>(argument);
  std::uint16_t left = 0;
  ++trouble.polls;
  for (std::uint16_t i = 0; i < count; ++i) {
    if (trouble.hold > 0) {
      --trouble.hold;
      trouble.held.push_back(ops[i]);
    } else {
      ops[left++] = ops[i];
    }
  }
  while (trouble.release && left < CryptoQueue::kPieceMax && !trouble.held.empty()) {
    ops[left++] = trouble.held.back();
    trouble.held.pop_back();
  }
  if (trouble.reverse) std::reverse(ops, ops + left);
  return left;
}

uint16_t on_enqueue(uint16_t, uint16_t, rte_crypto_op**, uint16_t count, void* argument) {
  const auto& trouble = *static_cast<Trouble*>(argument);
  const std::size_t room = trouble.room - std::min(trouble.room, trouble.held.size());
  return static_cast<std::uint16_t>(std::min<std::size_t>({count, trouble.takes, room}));
}

class crypto_queue : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    std::array<std::uint8_t, 1> ids{};
    ASSERT_EQ(rte_cryptodev_devices_get(GetParam().driver.c_str(), ids.data(), 1), 1);
    id_ = ids[0];
    dequeue_ = rte_cryptodev_add_deq_callback(id_, 0, on_dequeue, &trouble_);
    enqueue_ = rte_cryptodev_add_enq_callback(id_, 0, on_enqueue, &trouble_);
    ASSERT_TRUE(dequeue_ != nullptr && enqueue_ != nullptr);
    key_ = make_key();
    sessions_ = rte_mempool_lookup(("dwcp_crypto_sess_" + std::to_string(id_)).c_str());
    ASSERT_NE(sessions_, nullptr);
  }
  void TearDown() override {
    key_.reset();
    EXPECT_EQ(rte_cryptodev_remove_deq_callback(id_, 0, dequeue_), 0);
    EXPECT_EQ(rte_cryptodev_remove_enq_callback(id_, 0, enqueue_), 0);
  }
  std::unique_ptr<AeadKey> make_key() {
    auto key = provider_.make_key(cipher_, secret_);
    EXPECT_TRUE(key) << key.error();
    return key ? std::move(*key) : nullptr;
  }
  std::size_t good(const Burst& burst) {
    return static_cast<std::size_t>(std::count_if(burst.packets.begin(), burst.packets.end(), [](const AeadPacket& p) { return p.good; }));
  }
  Burst sealed_burst(std::size_t count) {
    const std::vector<std::size_t> sizes(count, 300);
    Burst burst(rng_, sizes);
    key_->seal(burst.packets);
    return burst;
  }
  // A whole burst there and back.
  void expect_works() {
    const std::vector<std::size_t> sizes(40, 500);
    Burst burst(rng_, sizes);
    key_->seal(burst.packets);
    ASSERT_TRUE(burst.all_good());
    key_->open(burst.packets);
    ASSERT_TRUE(burst.all_good());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      ASSERT_TRUE(std::equal(burst.before[i].begin(), burst.before[i].end(), burst.memory[i].begin()));
    }
  }

  const Cipher cipher_ = GetParam().cipher;
  Rng rng_{11};
  const Bytes secret_ = evp::random_bytes(rng_, cipher_key_bytes(cipher_));
  CryptodevProvider provider_{config_of(GetParam())};
  std::uint8_t id_ = 0;
  Trouble trouble_;
  rte_cryptodev_cb* dequeue_ = nullptr;
  rte_cryptodev_cb* enqueue_ = nullptr;
  std::unique_ptr<AeadKey> key_;
  rte_mempool* sessions_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(crypto, crypto_queue,
                         testing::Values(Way{"crypto_openssl", Cipher::kAes128Gcm, true, false},
                                         Way{"crypto_chacha20_poly1305", Cipher::kChaCha20Poly1305, true, false}),
                         way_name);

TEST_P(crypto_queue, order_does_not_matter) {
  trouble_.reverse = true;
  expect_works();
}

TEST_P(crypto_queue, a_device_may_take_a_burst_in_pieces) {
  trouble_.takes = 3;
  expect_works();
  EXPECT_EQ(provider_.overdue(), 0U);
}

TEST_P(crypto_queue, what_is_not_taken_is_not_good_and_holds_nothing_up) {
  trouble_.takes = 0;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(good(sealed_burst(32)), 0U);
  EXPECT_EQ(provider_.overdue(), 0U);
  trouble_.takes = 1000;
  expect_works();
}

TEST_P(crypto_queue, slots_of_what_a_full_device_does_not_take_stay_in_use) {
  trouble_.takes = 8;
  trouble_.room = 8;
  for (std::size_t round = 0; round < CryptoQueue::kSlots / 8; ++round) {
    trouble_.hold = 1'000'000;
    EXPECT_EQ(good(sealed_burst(32)), 0U);
    EXPECT_EQ(provider_.overdue(), 8U);
    trouble_.hold = 0;
    trouble_.release = true;
    EXPECT_EQ(good(sealed_burst(32)), 32U);
    EXPECT_EQ(provider_.overdue(), 0U);
    trouble_.release = false;
  }
}

TEST_P(crypto_queue, an_lcore_is_not_prepared_by_a_device_that_does_not_answer) {
  trouble_.hold = 1'000'000;
  const auto prepared = provider_.prepare_lcore(1);
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error(), "a cipher failed its self-test on lcore 1");
}

TEST_P(crypto_queue, what_comes_late_is_not_good_and_writes_nothing) {
  Burst burst = sealed_burst(32);
  ASSERT_TRUE(burst.all_good());
  trouble_.hold = 5;
  key_->open(burst.packets);
  EXPECT_EQ(good(burst), 27U);
  EXPECT_EQ(provider_.overdue(), 5U);
  EXPECT_EQ(trouble_.held.size(), 5U);
  for (std::size_t i = 0; i < 32; ++i) {
    if (!burst.packets[i].good) continue;
    ASSERT_TRUE(std::equal(burst.before[i].begin(), burst.before[i].end(), burst.memory[i].begin()));
  }
  // Memory of packets that were dropped is another's now.
  for (Bytes& memory : burst.memory) std::fill(memory.begin(), memory.end(), std::uint8_t{0xcc});
  expect_works();
  EXPECT_EQ(provider_.overdue(), 5U);
  trouble_.release = true;
  expect_works();
  EXPECT_EQ(provider_.overdue(), 0U);
  for (const Bytes& memory : burst.memory) {
    EXPECT_TRUE(std::all_of(memory.begin(), memory.end(), [](std::uint8_t byte) { return byte == 0xcc; }));
  }
}

TEST_P(crypto_queue, slots_come_back_however_often_operations_are_late) {
  for (std::size_t round = 0; round < 3 * CryptoQueue::kSlots / 8; ++round) {
    trouble_.release = false;
    trouble_.hold = 8;
    EXPECT_EQ(good(sealed_burst(32)), 24U);
    EXPECT_EQ(provider_.overdue(), 8U);
    trouble_.release = true;
    EXPECT_EQ(good(sealed_burst(32)), 32U);
    EXPECT_EQ(provider_.overdue(), 0U);
  }
}

TEST_P(crypto_queue, a_dead_device_makes_nothing_good_and_one_that_comes_back_works) {
  trouble_.hold = 1'000'000;
  // Patience once; then a glance at each burst, until it answers.
  EXPECT_EQ(good(sealed_burst(32)), 0U);
  EXPECT_GT(trouble_.polls, 10'000U);
  trouble_.polls = 0;
  for (int i = 1; i < 20; ++i) EXPECT_EQ(good(sealed_burst(32)), 0U);
  EXPECT_LT(trouble_.polls, 1'000U);
  EXPECT_EQ(provider_.overdue(), CryptoQueue::kSlots);
  // No operation was given twice.
  EXPECT_EQ(std::set(trouble_.held.begin(), trouble_.held.end()).size(), CryptoQueue::kSlots);
  EXPECT_EQ(trouble_.held.size(), CryptoQueue::kSlots);
  trouble_.hold = 0;
  trouble_.release = true;
  for (int i = 0; i < 4; ++i) (void)sealed_burst(32);
  EXPECT_EQ(provider_.overdue(), 0U);
  expect_works();
}

// A session the device may still read is not freed with its key; it is once the device has given back what it had.
TEST_P(crypto_queue, a_session_outlives_its_key_while_the_device_has_work_of_it) {
  auto other = make_key();
  const unsigned in_use = rte_mempool_in_use_count(sessions_);
  EXPECT_EQ(in_use, 4U);
  trouble_.hold = 2;
  EXPECT_EQ(good(sealed_burst(8)), 6U);
  key_.reset();
  EXPECT_EQ(rte_mempool_in_use_count(sessions_), 3U);  // that for opening is free
  other.reset();
  EXPECT_EQ(rte_mempool_in_use_count(sessions_), 1U);
  trouble_.release = true;
  key_ = make_key();
  EXPECT_EQ(rte_mempool_in_use_count(sessions_), 3U);
  expect_works();
  EXPECT_EQ(provider_.overdue(), 0U);
  key_ = make_key();
  EXPECT_EQ(rte_mempool_in_use_count(sessions_), 2U);
}

TEST_P(crypto_queue, a_session_the_device_never_lets_go_is_freed_with_it) {
  trouble_.hold = 2;
  EXPECT_EQ(good(sealed_burst(8)), 6U);
  key_.reset();
  EXPECT_EQ(rte_mempool_in_use_count(sessions_), 1U);
  // ~CryptoDevice asserts that no session is left.
}

TEST_P(crypto_queue, refuses_packets_larger_than_its_buffers) {
  const std::vector<std::size_t> sizes = {10, CryptoQueue::kContentsBytesMax + 1, CryptoQueue::kContentsBytesMax, 20};
  Burst burst(rng_, sizes);
  key_->seal(burst.packets);
  EXPECT_TRUE(burst.packets[0].good && burst.packets[2].good && burst.packets[3].good);
  EXPECT_FALSE(burst.packets[1].good);
}

}  // namespace
}  // namespace dwcp
