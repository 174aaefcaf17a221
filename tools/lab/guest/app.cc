// SPDX-License-Identifier: Apache-2.0
// The guest's work: fills Redis with JSON records by a pipelined mass insert, then rewrites them one after the other,
// far apart, at a steady rate, and answers questions read from the console:
//   "ASK id keys|writes|check" -> "ANSWER id text".
// check reads every record back and compares all of it with what was written last; the revisions themselves are kept
// in this process, so a database that came over without its client's writes, or a client without the database's, shows.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "record.h"

namespace guest {
namespace {

constexpr uint64_t kStep = 7368787;  // a prime, so that every record has its turn
constexpr uint64_t kBatch = 200;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kRoundMs = 20;

class Redis {
 public:
  explicit Redis(const char* path) : socket_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("no redis");
  }

  void queue(std::initializer_list<const std::string*> words) {
    out_ += '*' + std::to_string(words.size()) + "\r\n";
    for (const std::string* word : words) out_ += '$' + std::to_string(word->size()) + "\r\n" + *word + "\r\n";
  }

  void flush() {
    for (size_t sent = 0; sent < out_.size();) {
      const ssize_t bytes = write(socket_, out_.data() + sent, out_.size() - sent);
      if (bytes <= 0) throw std::runtime_error("redis is gone");
      sent += static_cast<size_t>(bytes);
    }
    out_.clear();
  }

  // The next reply: the text after its type byte, or the bulk string.
  const std::string& reply() {
    read_line();
    if (line_.empty() || line_[0] == '-') throw std::runtime_error("redis says " + line_);
    if (line_[0] != '$') return line_.erase(0, 1);
    const long bytes = atol(line_.c_str() + 1);
    line_.clear();
    while (static_cast<long>(line_.size()) < bytes + 2 && bytes >= 0) take(static_cast<size_t>(bytes) + 2 - line_.size());
    if (bytes >= 0) line_.resize(static_cast<size_t>(bytes));
    return line_;
  }

 private:
  void read_line() {
    line_.clear();
    while (line_.size() < 2 || line_[line_.size() - 1] != '\n') {
      const auto* end = static_cast<const char*>(memchr(in_ + begin_, '\n', end_ - begin_));
      take(end ? static_cast<size_t>(end - in_ - static_cast<long>(begin_)) + 1 : end_ - begin_);
    }
    line_.resize(line_.size() - 2);
  }

  void take(size_t bytes) {
    if (begin_ == end_) {
      const ssize_t got = read(socket_, in_, sizeof in_);
      if (got <= 0) throw std::runtime_error("redis is gone");
      begin_ = 0;
      end_ = static_cast<size_t>(got);
      return;
    }
    bytes = std::min(bytes, end_ - begin_);
    line_.append(in_ + begin_, bytes);
    begin_ += bytes;
  }

  int socket_;
  std::string out_, line_;
  char in_[65536];
  size_t begin_ = 0, end_ = 0;
};

class App {
 public:
  App(const char* socket_path, uint64_t records, uint64_t rate) : redis_(socket_path), revs_(records), rate_(rate) {}

  void load() {
    for (uint64_t id = 0; id < revs_.size(); ++id) {
      queue_set(id);
      if (id % kBatch == kBatch - 1 || id + 1 == revs_.size()) finish_sets(id % kBatch + 1);
    }
    printf("READY keys=%s\n", keys().c_str());
  }

  void run() {
    int64_t last_ns = now_ns();
    for (;;) {
      pollfd console{STDIN_FILENO, POLLIN, 0};
      if (poll(&console, 1, kRoundMs) > 0) {
        answer();
        last_ns = now_ns();
      }
      const int64_t now = now_ns();
      const uint64_t due = static_cast<uint64_t>(std::min(now - last_ns, kSecondNs / 10)) * rate_ / kSecondNs;
      rewrite(due);
      last_ns = now;
    }
  }

 private:
  static int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * kSecondNs + now.tv_nsec;
  }

  void queue_set(uint64_t id) {
    static const std::string kSet = "SET";
    render_key(key_, id);
    render_record(text_, id, revs_[id]);
    redis_.queue({&kSet, &key_, &text_});
  }

  void finish_sets(uint64_t count) {
    redis_.flush();
    for (uint64_t i = 0; i < count; ++i) redis_.reply();
  }

  void rewrite(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t id = ++writes_ * kStep % revs_.size();
      ++revs_[id];
      queue_set(id);
      if (i % kBatch == kBatch - 1 || i + 1 == count) finish_sets(i % kBatch + 1);
    }
  }

  std::string keys() {
    static const std::string kDbSize = "DBSIZE";
    redis_.queue({&kDbSize});
    redis_.flush();
    return redis_.reply();
  }

  void answer() {
    char line[128], id[64], question[32];
    if (!fgets(line, sizeof line, stdin) || sscanf(line, "ASK %63s %31s", id, question) != 2) return;
    const std::string asked = question;
    if (asked == "keys") printf("ANSWER %s %s\n", id, keys().c_str());
    if (asked == "writes") printf("ANSWER %s %llu\n", id, static_cast<unsigned long long>(writes_));
    if (asked == "check") check(id);
  }

  void check(const char* question) {
    static const std::string kGet = "GET";
    uint64_t damaged = 0, revs = 0;
    for (uint64_t first = 0; first < revs_.size(); first += kBatch) {
      const uint64_t end = std::min<uint64_t>(first + kBatch, revs_.size());
      for (uint64_t id = first; id < end; ++id) {
        render_key(key_, id);
        redis_.queue({&kGet, &key_});
      }
      redis_.flush();
      for (uint64_t id = first; id < end; ++id) {
        render_record(text_, id, revs_[id]);
        if (redis_.reply() != text_) ++damaged;
        revs += revs_[id];
      }
    }
    printf("ANSWER %s keys=%s damaged=%llu revs=%llu writes=%llu\n", question, keys().c_str(),
           static_cast<unsigned long long>(damaged), static_cast<unsigned long long>(revs),
           static_cast<unsigned long long>(writes_));
  }

  Redis redis_;
  std::vector<uint32_t> revs_;
  uint64_t rate_, writes_ = 0;
  std::string key_, text_;
};

}  // namespace
}  // namespace guest

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  setvbuf(stdout, nullptr, _IOLBF, 4096);
  setvbuf(stdin, nullptr, _IONBF, 0);
  try {
    guest::App app(argv[1], strtoull(argv[2], nullptr, 10), strtoull(argv[3], nullptr, 10));
    app.load();
    app.run();
  } catch (const std::exception& error) {
    printf("FAILED %s\n", error.what());
  }
  return 1;
}
