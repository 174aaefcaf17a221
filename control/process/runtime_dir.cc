// SPDX-License-Identifier: Apache-2.0
#include "control/process/runtime_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace dwcp {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr mode_t kListMode = 0755;

unexpected<std::string> failed(const std::string& path, const char* what) {
  return unexpected<std::string>(path + ": " + what + ": " + std::strerror(errno));
}

class Folder {
 public:
  explicit Folder(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) {}
  ~Folder() {
    if (fd_ >= 0) close(fd_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// Only opens further, and only what is ours: others' modes are their decision.
expected<void, std::string> open_further(const std::string& path, mode_t mode) {
  const Folder folder(path);
  struct stat now {};
  if (folder.fd() < 0 || fstat(folder.fd(), &now) != 0) return failed(path, "cannot be opened");
  if ((now.st_mode & mode) == mode || now.st_uid != geteuid()) return {};
  if (fchmod(folder.fd(), (now.st_mode & 07777) | mode) != 0) return failed(path, "cannot be shared");
  return {};
}

// No link is followed, and what is not a socket is left alone.
expected<void, std::string> give_socket(int folder, const std::string& path, const std::string& name, const SocketOwner& owner) {
  struct stat now {};
  if (fstatat(folder, name.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return failed(path, "cannot be shared");
  }
  if (!S_ISSOCK(now.st_mode)) return unexpected<std::string>(path + ": is not a socket");
  // The mode first: a moment of owner root and no more is safe, one of the new owner and an old mode might not be.
  if (fchmodat(folder, name.c_str(), kSocketMode & ~static_cast<mode_t>(S_IRWXG), 0) != 0) return failed(path, "cannot be shared");
  if (fchownat(folder, name.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == EPERM ? unexpected<std::string>(path + ": cannot be given to group " + std::to_string(owner.gid) +
                                                    ": start as root, or as a member of it")
                          : failed(path, "cannot be shared");
  }
  if (fchmodat(folder, name.c_str(), kSocketMode, 0) != 0) return failed(path, "cannot be shared");
  return {};
}

}  // namespace

expected<void, std::string> share_sockets(const std::string& folder, std::span<const std::string> sockets, const SocketOwner& owner) {
  const Folder opened(folder);
  if (opened.fd() < 0) return failed(folder, "cannot be opened");
  for (const std::string& name : sockets) {
    if (auto given = give_socket(opened.fd(), folder + '/' + name, name, owner); !given) return given;
  }
  if (!owner.shared) return {};
  if (auto listed = open_further(folder, kListMode); !listed) return listed;
  const std::filesystem::path above = std::filesystem::path(folder).parent_path();
  if (above.filename() != "dpdk") return {};
  return open_further(above.string(), kListMode);
}

}  // namespace dwcp
