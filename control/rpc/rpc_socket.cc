// SPDX-License-Identifier: Apache-2.0
#include "control/rpc/rpc_socket.h"

#include "control/rpc/line_reader.h"

namespace dwcp {

class RpcSocket::Connection {
 public:
  Connection(RpcSocket& owner, std::unique_ptr<UnixStream> stream, Caller caller)
      : owner_(owner), stream_(std::move(stream)), caller_(std::move(caller)), deadline_(owner.loop_, [this] { owner_.remove(this); }) {
    listen();
  }

 private:
  void listen() {
    paused_ = false;
    deadline_.once(lines_.partial() ? owner_.limits_.line_ms : owner_.limits_.idle_ms);
    stream_->read([this](std::span<const char> bytes) { take(bytes); });
  }

  void take(std::span<const char> bytes) {
    if (bytes.empty()) return owner_.remove(this);
    // For the whole line, however it trickles.
    if (!lines_.partial()) deadline_.once(owner_.limits_.line_ms);
    lines_.feed(bytes);
    go_on();
  }

  // Answers what is there; one answer is under way at a time.
  void go_on() {
    bool answered = paused_;
    while (auto line = lines_.next()) {
      answered = true;
      auto answer = owner_.server_.handle(*line, caller_);
      if (answer) return send(std::move(*answer), false);
    }
    if (lines_.too_long()) return send(RpcServer::too_long(), true);
    if (answered) listen();
  }

  void send(std::string answer, bool last) {
    stream_->pause();
    paused_ = true;
    deadline_.once(owner_.limits_.write_ms);
    stream_->write(std::move(answer) + '\n', [this, last] { last ? owner_.remove(this) : go_on(); });
  }

  RpcSocket& owner_;
  std::unique_ptr<UnixStream> stream_;
  Caller caller_;
  LineReader lines_{RpcServer::kRequestBytesMax};
  bool paused_ = false;
  Timer deadline_;
};

RpcSocket::RpcSocket(Loop& loop, RpcServer& server, RpcLimits limits) : loop_(loop), server_(server), limits_(limits) {}

expected<std::unique_ptr<RpcSocket>, std::string> RpcSocket::open(Loop& loop, const std::string& path, RpcServer& server, RpcLimits limits) {
  std::unique_ptr<RpcSocket> opened(new RpcSocket(loop, server, limits));
  auto listener = UnixListener::open(loop, path, [socket = opened.get()](std::unique_ptr<UnixStream> stream) { socket->accept(std::move(stream)); });
  if (!listener) return unexpected<std::string>(listener.error());
  opened->listener_ = std::move(*listener);
  return opened;
}

RpcSocket::~RpcSocket() = default;

void RpcSocket::accept(std::unique_ptr<UnixStream> stream) {
  auto caller = caller_of(stream->fd());
  if (!caller) return;
  const std::size_t room = limits_.connections_max - (caller->uid == 0 ? 0 : limits_.connections_root);
  if (connections_.size() >= room) return;  // closed; what the client sees is the end of the stream
  connections_.push_back(std::make_unique<Connection>(*this, std::move(stream), std::move(*caller)));
}

void RpcSocket::remove(const Connection* connection) {
  connections_.remove_if([connection](const auto& each) { return each.get() == connection; });
}

}  // namespace dwcp
