// SPDX-License-Identifier: Apache-2.0
#include "control/security/pki_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace dwcp::pki {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool write_all(int file, const std::string& content) {
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t count = write(file, content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

// So that the new name is there after a power failure.
void sync_folder(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  (void)fsync(folder);
  close(folder);
}

}  // namespace

Fault file_fault(const std::string& path, const std::string& doing, int error) {
  std::string text = path + ": can not " + doing + " (" + std::strerror(error) + ')';
  if (error == EACCES || error == EPERM)
    return {FaultKind::kDenied, text + "; run as a user who may, or choose another folder"};
  if (error == ENOENT) return {FaultKind::kFailed, text + "; make the folder, or correct the path"};
  if (error == EEXIST)
    return {FaultKind::kFailed,
            path + ": is there already and is not overwritten; move it away, or choose another name"};
  return {FaultKind::kFailed, text + "; choose another folder"};
}

expected<PemFile, Fault> read_file(const std::string& path) {
  auto file = read_pem_file(path);
  if (file) return std::move(*file);
  const bool denied = faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES;
  return unexpected<Fault>({denied ? FaultKind::kDenied : FaultKind::kFailed, file.error()});
}

bool exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

expected<void, Fault> write_file(const std::string& path, const std::string& content, mode_t mode,
                                 Overwrite overwrite) {
  const auto fail = [&](int error) { return unexpected<Fault>(file_fault(path, "write", error)); };
  // Said before anything is written, and once more by link() below.
  if (overwrite == Overwrite::kNo && exists(path)) return fail(EEXIST);
  const std::string pattern = path + ".XXXXXX";
  std::vector<char> temporary(pattern.begin(), pattern.end());
  temporary.push_back('\0');
  const int file = mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
  if (file < 0) return fail(errno);
  bool good = write_all(file, content) && fchmod(file, mode) == 0 && fsync(file) == 0;
  int error = errno;
  if (close(file) != 0 && good) good = false, error = errno;
  if (good) {
    good = overwrite == Overwrite::kYes ? rename(temporary.data(), path.c_str()) == 0
                                        : link(temporary.data(), path.c_str()) == 0;
    error = errno;
  }
  unlink(temporary.data());  // gone already after rename()
  if (!good) return fail(error);
  sync_folder(folder_of(path));
  return {};
}

expected<void, Fault> make_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return {};
  const int error = errno;
  struct stat info {};
  if (error == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
  if (error == EEXIST) return unexpected<Fault>({FaultKind::kFailed, path + ": is not a folder; name another"});
  return unexpected<Fault>(file_fault(path, "make this folder", error));
}

expected<FolderLock, Fault> FolderLock::take(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return unexpected<Fault>(file_fault(path, "open this folder", errno));
  while (flock(folder, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const int error = errno;
    close(folder);
    return unexpected<Fault>(file_fault(path, "lock this folder", error));
  }
  return FolderLock(folder);
}

FolderLock::~FolderLock() {
  if (folder_ >= 0) close(folder_);
}

}  // namespace dwcp::pki
