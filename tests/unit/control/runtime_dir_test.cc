// SPDX-License-Identifier: Apache-2.0
#include "control/process/runtime_dir.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "child.h"

namespace dwcp {
namespace {

const std::array<std::string, 2> kSockets{"one.sock", "two.sock"};

class RuntimeDir : public testing::Test {
 protected:
  RuntimeDir() {
    char path[] = "/tmp/dwcp-runtime-XXXXXX";
    root = mkdtemp(path);
    dpdk = root + "/dpdk";
    folder = dpdk + "/dwcp-x";
    std::filesystem::create_directories(folder);
    chmod(dpdk.c_str(), 0700);
    chmod(folder.c_str(), 0700);
  }
  ~RuntimeDir() override { std::filesystem::remove_all(root); }

  void make_socket(const std::string& name) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder + '/' + name;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int made = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    close(made);
  }
  static struct stat look(const std::string& path) {
    struct stat found {};
    EXPECT_EQ(lstat(path.c_str(), &found), 0) << path;
    return found;
  }
  static unsigned mode(const std::string& path) { return look(path).st_mode & 07777; }

  std::string root, dpdk, folder;
};
using runtime_dir = RuntimeDir;

TEST_F(runtime_dir, sockets_get_owner_group_and_mode) {
  make_socket(kSockets[0]);
  make_socket(kSockets[1]);
  const bool is_root = geteuid() == 0;
  const SocketOwner owner{is_root ? 65534 : geteuid(), is_root ? 12 : getegid(), true};
  const auto shared = share_sockets(folder, kSockets, owner);
  ASSERT_TRUE(shared) << shared.error();
  for (const std::string& name : kSockets) {
    EXPECT_EQ(mode(folder + '/' + name), 0660U);
    EXPECT_EQ(look(folder + '/' + name).st_uid, owner.uid);
    EXPECT_EQ(look(folder + '/' + name).st_gid, owner.gid);
  }
  EXPECT_EQ(mode(folder), 0755U);
  EXPECT_EQ(look(folder).st_uid, geteuid()) << "nothing of root's next start may be another's";
  EXPECT_EQ(mode(dpdk), 0755U);
  EXPECT_EQ(mode(root), 0700U) << "what is above is not ours to open";
}

TEST_F(runtime_dir, not_shared_leaves_the_folders_closed) {
  make_socket(kSockets[0]);  // and the other is not there
  ASSERT_TRUE(share_sockets(folder, kSockets, {geteuid(), getegid(), false}));
  EXPECT_EQ(mode(folder + '/' + kSockets[0]), 0660U);
  EXPECT_EQ(mode(folder), 0700U);
  EXPECT_EQ(mode(dpdk), 0700U);
}

TEST_F(runtime_dir, a_link_or_a_file_in_a_sockets_place_is_not_touched) {
  const std::string victim = root + "/victim";
  std::ofstream(victim) << "x";
  chmod(victim.c_str(), 0600);
  std::filesystem::create_symlink(victim, folder + '/' + kSockets[0]);
  EXPECT_FALSE(share_sockets(folder, kSockets, {geteuid(), getegid(), true}));
  EXPECT_EQ(mode(victim), 0600U);
  std::filesystem::remove(folder + '/' + kSockets[0]);
  std::filesystem::rename(victim, folder + '/' + kSockets[0]);
  EXPECT_FALSE(share_sockets(folder, kSockets, {geteuid(), getegid(), true}));
  EXPECT_EQ(mode(folder + '/' + kSockets[0]), 0600U);
}

TEST_F(runtime_dir, a_group_one_is_not_in_is_an_error) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  make_socket(kSockets[0]);
  ASSERT_EQ(chown(dpdk.c_str(), 65534, 65534), 0);
  ASSERT_EQ(chown(folder.c_str(), 65534, 65534), 0);
  ASSERT_EQ(chown(root.c_str(), 65534, 65534), 0);
  ASSERT_EQ(chown((folder + '/' + kSockets[0]).c_str(), 65534, 65534), 0);
  expect_child_succeeds([this] {
    CHILD_EXPECT(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    const auto shared = share_sockets(folder, kSockets, {65534, 12, true});
    CHILD_EXPECT(!shared && shared.error().find("cannot be given to group 12") != std::string::npos);
    return 0;
  });
}

}  // namespace
}  // namespace dwcp
