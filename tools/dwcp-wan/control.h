// SPDX-License-Identifier: Apache-2.0
// The control socket: a unix stream socket that takes one command per line and answers each with one line.  What
// clients send is bounded; one that does not read its answers is closed.  Owner thread: the emulator's, which never
// blocks here.
//
// Use:  add the descriptors of poll_fds() to the poll;  handle(fds, [](line) { return answer; }).
#pragma once

#include <poll.h>

#include <functional>
#include <string>
#include <vector>

#include "base/expected.h"

namespace dwcp::wan {

class ControlSocket {
 public:
  ControlSocket() = default;  // no socket, no clients
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // Returns an empty string, or why not.  A socket left behind by a dead process is replaced.
  [[nodiscard]] std::string listen(const std::string& path);

  // The descriptors to poll for; appended to `fds`.
  void append_poll_fds(std::vector<pollfd>& fds) const;

  using Handler = std::function<std::string(const std::string& line)>;

  // Serves whatever is readable in `fds`, as filled by append_poll_fds() and ppoll().
  void handle(const std::vector<pollfd>& fds, const Handler& handler);

 private:
  struct Client {
    int fd;
    std::string pending;
  };
  void accept_one();
  static bool serve(Client& client, const Handler& handler);  // false: close it

  std::string path_;
  int listen_fd_ = -1;
  std::vector<Client> clients_;
};

}  // namespace dwcp::wan
