// SPDX-License-Identifier: Apache-2.0
// start(): one precise line when it fails, nothing left open; and the care of unix socket files.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "harness.h"

namespace dwcp::test {
namespace {

class edge_listener : public testing::Test {
 protected:
  EdgeThread make(const std::string& endpoint, const std::string& service = "tcp:127.0.0.1:1") {
    EdgeOptions options;
    options.listeners = {{.index = 0, .peer = 0, .name = "vm-in", .endpoint = endpoint}};
    options.services = {{.index = 0, .name = "vm-out", .endpoint = service}};
    options.ingress_blocks = 2;
    return EdgeThread(std::move(options), table_, {&rings_});
  }

  std::string error_of(const std::string& endpoint, const std::string& service = "tcp:127.0.0.1:1") {
    EdgeThread edge = make(endpoint, service);
    const auto started = edge.start();
    return started ? "started" : started.error();
  }

  MigrationTable table_{2};
  EdgeCodecRings rings_{2, 2, 2};
};

TEST_F(edge_listener, address_in_use_is_one_line) {
  const std::string endpoint = fresh_endpoint(true);
  const Fd taken = listen_on(endpoint);
  EXPECT_EQ(error_of(endpoint), "listener vm-in: cannot listen on " + endpoint + ": address already in use");
}

TEST_F(edge_listener, a_failed_start_leaves_nothing_open_and_may_be_tried_again) {
  const std::string good = fresh_endpoint(true);
  const std::string taken_endpoint = fresh_endpoint(true);
  Fd taken = listen_on(taken_endpoint);
  EdgeOptions options;
  options.listeners = {{.name = "a", .endpoint = good}, {.name = "b", .endpoint = taken_endpoint}};
  options.ingress_blocks = 2;
  EdgeThread edge(options, table_, {&rings_});
  EXPECT_FALSE(edge.start());
  EXPECT_LT(connect_to(good).get(), 0);
  taken.reset();
  EXPECT_TRUE(edge.start());
  EXPECT_GE(connect_to(good).get(), 0);
}

TEST_F(edge_listener, bad_endpoints_are_named) {
  const std::string who = "listener vm-in: cannot listen on ";
  EXPECT_EQ(error_of("udp:x"), who + "udp:x: want tcp:HOST:PORT or unix:PATH");
  EXPECT_EQ(error_of("tcp:127.0.0.1"), who + "tcp:127.0.0.1: want tcp:HOST:PORT");
  EXPECT_EQ(error_of("tcp:::1:4444"), who + "tcp:::1:4444: want tcp:HOST:PORT");
  EXPECT_EQ(error_of("tcp:h:0"), who + "tcp:h:0: the port must be a number from 1 to 65535");
  EXPECT_EQ(error_of("tcp:h:65536"), who + "tcp:h:65536: the port must be a number from 1 to 65535");
  EXPECT_EQ(error_of("unix:"), who + "unix:: the path is empty");
  const std::string longest = "unix:/" + std::string(107, 'x');
  EXPECT_EQ(error_of(longest), who + longest + ": the path is longer than 107 bytes, the most a unix socket may have");
  EXPECT_EQ(error_of("unix:/nonexistent/x"), who + "unix:/nonexistent/x: no such file or directory");
  EXPECT_EQ(error_of(fresh_endpoint(true), "tcp:"), "service vm-out: cannot use tcp:: want tcp:HOST:PORT");
}

TEST_F(edge_listener, ipv6_and_every_address) {
  for (const std::string host : {"[::1]", ""}) {
    const std::string port = fresh_endpoint(true).substr(14);
    EdgeThread edge = make("tcp:" + host + ":" + port);
    const auto started = edge.start();
    EXPECT_TRUE(started) << (started ? "" : started.error());
  }
}

TEST_F(edge_listener, a_unix_socket_has_mode_0660_and_goes_at_stop) {
  const std::string endpoint = fresh_endpoint(false);
  const mode_t before = ::umask(0);
  EdgeThread edge = make(endpoint);
  ASSERT_TRUE(edge.start());
  ::umask(before);
  struct stat found {};
  ASSERT_EQ(::stat(path_of(endpoint).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0660U);
  edge.stop();
  EXPECT_NE(::stat(path_of(endpoint).c_str(), &found), 0);
}

TEST_F(edge_listener, a_stale_unix_socket_is_replaced) {
  const std::string endpoint = fresh_endpoint(false);
  { const Fd gone = listen_on(endpoint); }
  ASSERT_EQ(::access(path_of(endpoint).c_str(), F_OK), 0);
  EdgeThread edge = make(endpoint);
  const auto started = edge.start();
  ASSERT_TRUE(started) << started.error();
  EXPECT_GE(connect_to(endpoint).get(), 0);
}

TEST_F(edge_listener, a_live_unix_socket_is_left_alone) {
  const std::string endpoint = fresh_endpoint(false);
  const Fd live = listen_on(endpoint);
  EXPECT_EQ(error_of(endpoint), "listener vm-in: cannot listen on " + endpoint + ": address already in use");
  EXPECT_GE(connect_to(endpoint).get(), 0);
  (void)::unlink(path_of(endpoint).c_str());
}

TEST_F(edge_listener, a_file_that_is_no_socket_is_left_alone) {
  const std::string endpoint = fresh_endpoint(false);
  std::fclose(std::fopen(path_of(endpoint).c_str(), "w"));
  EXPECT_EQ(error_of(endpoint),
            "listener vm-in: cannot listen on " + endpoint + ": the file exists and is not a socket");
  EXPECT_EQ(::unlink(path_of(endpoint).c_str()), 0);
}

}  // namespace
}  // namespace dwcp::test
