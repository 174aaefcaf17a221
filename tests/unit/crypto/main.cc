// SPDX-License-Identifier: Apache-2.0
// One EAL for all tests of this program, with two lcores on one core, and one crypto device named by its arguments.
#include "eal.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new dwcp::Eal({"--lcores=0@0,1@0", "--vdev=crypto_openssl_named"}));
  return RUN_ALL_TESTS();
}
