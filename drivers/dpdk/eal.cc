// SPDX-License-Identifier: Apache-2.0
#include "drivers/dpdk/eal.h"

#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace dwcp {
namespace {

std::uint64_t read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  file >> value;
  return file ? value : 0;
}

std::string explain(int error, const EalArgs& eal) {
  std::string prefix = "dwcp";
  for (const std::string& arg : eal.args) {
    if (arg.starts_with("--file-prefix=")) prefix = arg.substr(14);
  }
  // EAL does not always say why by number.
  std::string text = "DPDK did not start" + (error == 0 ? "" : ": " + std::string(rte_strerror(error)));
  switch (error) {
    case EACCES:
    case EPERM:
      return text + "; run as root, or give the rights to /dev/hugepages, /var/run/dpdk and the device";
    case ENOMEM:
      return text + "; free memory, or change -m MEGABYTES or the number of hugepages";
    case EALREADY:
      return text + "; it runs in this process already";
    case EAGAIN:
    case EBUSY:
      return text + "; another process may use --file-prefix=" + prefix + ": give this one a name of its own";
    case ENODEV:
      return text + "; check the devices named by --vdev and -a, and --iova-mode";
    default:
      return text + "; its own lines above say more (--log-level=debug for all of them)";
  }
}

}  // namespace

Hugepages read_hugepages(const std::string& sysfs, const std::string& mounts) {
  Hugepages result;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(sysfs, error)) {
    const std::string name = entry.path().filename();  // hugepages-2048kB
    const std::size_t dash = name.find('-');
    if (dash == std::string::npos) continue;
    std::uint64_t kilobytes = 0;
    std::from_chars(name.data() + dash + 1, name.data() + name.size(), kilobytes);
    result.free_bytes += read_number(entry.path() / "free_hugepages") * kilobytes * 1024;
  }
  std::ifstream file(mounts);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string device, where, type;
    fields >> device >> where >> type;
    if (type == "hugetlbfs") result.mounted = true;
  }
  return result;
}

EalArgs EalArgs::parse(int argc, const char* const* argv) {
  EalArgs result;
  int i = 0;
  for (; i < argc && std::string_view(argv[i]) != "--"; ++i) result.args.emplace_back(argv[i]);
  if (result.args.empty()) result.args.emplace_back("dwcp");
  result.consumed = i < argc ? i + 1 : argc;
  return result;
}

bool EalArgs::has(const std::string& option) const {
  const bool is_long = option.starts_with("--");
  for (std::size_t i = 1; i < args.size(); ++i) {
    if (args[i] == option) return true;
    if (is_long ? args[i].starts_with(option + "=") : args[i].starts_with(option)) return true;
  }
  return false;
}

void EalArgs::add_defaults(const EalDefaults& defaults, const Hugepages& hugepages) {
  if (!has("--file-prefix")) args.push_back("--file-prefix=" + defaults.file_prefix);
  if (!has("--log-level")) args.emplace_back("--log-level=*:warning");
  if (!defaults.lcores.empty() && !has("-l") && !has("-c") && !has("--lcores")) {
    args.emplace_back("--lcores");
    args.push_back(defaults.lcores);
  }
  const std::string memory = std::to_string(defaults.memory_mb);
  const bool sized = has("-m") || has("--socket-mem");
  if (has("--no-huge")) {
    // EAL's own default is 64 MB, less than one port with jumbo frames takes.
    if (!sized) args.insert(args.end(), {"-m", memory});
    return;
  }
  if (hugepages.usable()) return;
  args.emplace_back("--no-huge");
  if (!sized) args.insert(args.end(), {"-m", memory});
  warning = std::string(hugepages.mounted ? "no free hugepages" : "no hugetlbfs mounted") +
            ": using --no-huge with ordinary memory (slower). For hugepages: echo 512 > /proc/sys/vm/nr_hugepages" +
            (hugepages.mounted ? "" : " && mount -t hugetlbfs none /dev/hugepages");
}

namespace {

class MutedStdout {
 public:
  MutedStdout() : saved_(dup(STDOUT_FILENO)) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    std::fflush(stdout);
    if (null >= 0) dup2(null, STDOUT_FILENO);
    if (null >= 0) close(null);
  }
  ~MutedStdout() {
    std::fflush(stdout);
    if (saved_ < 0) return;
    dup2(saved_, STDOUT_FILENO);
    close(saved_);
  }
  MutedStdout(const MutedStdout&) = delete;
  MutedStdout& operator=(const MutedStdout&) = delete;

 private:
  int saved_;
};

}  // namespace

expected<EalStarted, std::string> start_eal(int argc, const char* const* argv, const EalDefaults& defaults) {
  EalArgs eal = EalArgs::parse(argc, argv);
  eal.add_defaults(defaults, read_hugepages());
  // EAL keeps and permutes the array, so it gets one of its own that lives as long as the process may use it.
  std::vector<std::string> storage = eal.args;
  std::vector<char*> pointers;
  for (std::string& arg : storage) pointers.push_back(arg.data());
  pointers.push_back(nullptr);
  rte_errno = 0;
  // What is wrong is one line on stderr; the pages of usage that EAL prints with it would bury that line.
  const MutedStdout muted;
  if (rte_eal_init(static_cast<int>(storage.size()), pointers.data()) < 0) {
    return unexpected<std::string>(explain(rte_errno, eal));
  }
  return EalStarted{eal.consumed, eal.warning};
}

std::string eal_runtime_dir() { return rte_eal_get_runtime_dir(); }

void stop_eal() {
  rte_eal_cleanup();
}

}  // namespace dwcp
