// SPDX-License-Identifier: Apache-2.0
// The guest's pulse: a number every 10 ms on the heartbeat port, "TICK n uptime_s" every second on the console.
// What a user of the guest would notice of a migration is the gap between two numbers.
#include <fcntl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace {

constexpr int64_t kBeatNs = 10'000'000;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kBeatsPerTick = 100;

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

int open_raw(const char* path) {
  const int port = open(path, O_WRONLY | O_NOCTTY);
  termios settings{};
  if (port >= 0 && tcgetattr(port, &settings) == 0) {
    cfmakeraw(&settings);
    tcsetattr(port, TCSANOW, &settings);
  }
  return port;
}

bool say(int port, const char* text, int bytes) { return write(port, text, static_cast<size_t>(bytes)) == bytes; }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int console = open(argv[1], O_WRONLY | O_NOCTTY);
  const int heart = open_raw(argv[2]);
  if (console < 0 || heart < 0) return 1;
  int64_t due_ns = now_ns();
  char line[64];
  for (uint64_t beat = 1;; ++beat) {
    if (!say(heart, line, snprintf(line, sizeof line, "%llu\n", static_cast<unsigned long long>(beat)))) return 1;
    if (beat % kBeatsPerTick == 0) {
      const int bytes = snprintf(line, sizeof line, "TICK %llu %lld\n", static_cast<unsigned long long>(beat / kBeatsPerTick),
                                 static_cast<long long>(now_ns() / kSecondNs));
      if (!say(console, line, bytes)) return 1;
    }
    due_ns += kBeatNs;
    const int64_t late_ns = now_ns() - due_ns;
    if (late_ns > kSecondNs) due_ns += late_ns;  // starved for long: do not make it up in a burst
    const timespec until{due_ns / kSecondNs, due_ns % kSecondNs};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  }
}
