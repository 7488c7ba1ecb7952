#include "outrigger.hpp"

#include "app.pb.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <thread>

namespace outrigger {

namespace wire = outrigger::app::v1;
using namespace std::chrono_literals;
using std::chrono::duration_cast;
using std::chrono::steady_clock;

namespace {

constexpr Milliseconds kTry = 3s;              // one try of what may be tried again; then it is tried again
constexpr Milliseconds kGrace = 500ms;         // what a node has to say TIMEOUT by itself; silent, it is left
constexpr Milliseconds kDial = 2s;             // from dialling to the welcome; then the next node is dialled
constexpr Milliseconds kBackoffMin = 50ms;     // pause after failures in a row, doubled up to
constexpr Milliseconds kBackoffMax = 1s;       // this, less up to half by chance
constexpr Milliseconds kRetryAfterMax = 5s;    // a node may ask for more; we come back after this
constexpr int kFailuresToMove = 3;             // in a row, of a node that answers; then it is left
constexpr std::uint32_t kFrameBytes = 8 << 20; // of one frame from a node; the connection is given up
constexpr Milliseconds kTimeoutMax = 24h;      // that a node is told

// From half of the doubled pause to all of it, so that clients that failed together do not come back together.
Milliseconds backoff(int failures) {
  static thread_local std::mt19937 chance{std::random_device{}()};
  const auto full = std::min(kBackoffMax, kBackoffMin * (1 << std::clamp(failures - 1, 0, 10)));
  return Milliseconds(std::uniform_int_distribution<std::int64_t>(full.count() / 2, full.count())(chance));
}

// Says whether there is time left afterwards.
bool sleep(Milliseconds pause, Deadline deadline) {
  if (steady_clock::now() + pause >= deadline) return false;
  std::this_thread::sleep_for(pause);
  return true;
}

Milliseconds left_until(Deadline deadline) {
  return std::max(0ms, duration_cast<Milliseconds>(deadline - steady_clock::now()));
}

Error refusal(const wire::Error& error) {
  Error refused(error.code(), error.definite(), error.message());
  if (error.has_retry_after_ms()) refused.retry_after = Milliseconds(error.retry_after_ms());
  return refused;
}

std::uint64_t number_of(const wire::SidecarFrame& frame) {
  switch (frame.frame_case()) {
    case wire::SidecarFrame::kProposed: return frame.proposed().id();
    case wire::SidecarFrame::kReadReady: return frame.read_ready().id();
    case wire::SidecarFrame::kSessionOpened: return frame.session_opened().id();
    case wire::SidecarFrame::kSessionKept: return frame.session_kept().id();
    case wire::SidecarFrame::kSessionClosed: return frame.session_closed().id();
    case wire::SidecarFrame::kError: return frame.error().id();
    default: return 0;
  }
}

// The descriptor of a socket that is connected, or will be soon.
int dial(const Address& address) {
  const auto begin = [](int descriptor, const sockaddr* at, socklen_t length) {
    if (descriptor >= 0 && connect(descriptor, at, length) != 0 && errno != EINPROGRESS) {
      const int why = errno;
      ::close(descriptor);
      errno = why;
      descriptor = -1;
    }
    return descriptor;
  };
  constexpr int kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (!address.token) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    address.at.copy(at.sun_path, sizeof at.sun_path - 1);
    return begin(socket(AF_UNIX, kind, 0), reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }
  const auto colon = address.at.rfind(':');
  if (colon == std::string::npos) throw Error("BAD_REQUEST", true, address.at + " is not HOST:PORT");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const auto host = address.at.substr(0, colon), port = address.at.substr(colon + 1);
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    errno = EHOSTUNREACH;
    return -1;
  }
  const int descriptor = begin(socket(found->ai_family, kind, 0), found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return descriptor;
}

}  // namespace

bool Error::passes() const {
  return definite && (retry_after || code == "OVERLOADED" || code == "APP_ABSENT" || code == "NO_SPACE" || code == "NOT_SENT");
}

Milliseconds Error::pause(int tries) const {
  if (retry_after) return std::min(*retry_after, kRetryAfterMax);
  if (code == "CONNECTION_LOST" || code == "SHUTTING_DOWN") return 0ms;  // at another node, which has its own pause
  return backoff(tries);
}

// ---------------------------------------------------------------- one connection

// Hello, then one request at a time, until it is lost or left.
class Link {
public:
  Link(const Address& address, Deadline deadline) : descriptor_(dial(address)), deadline_(deadline) {
    if (descriptor_ < 0) throw Error("CONNECTION_LOST", false, address.at + ": " + std::strerror(errno));
    try {
      greet(address);
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
  }
  ~Link() { ::close(descriptor_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  std::string node, cluster;
  std::size_t largest = 0;  // bytes that a command may have; 0 where the node has not said so
  bool says_stop = false;  // no proposals now
  bool usable = true;      // false when it is lost, or the node has said goodbye

  // Refuses a request whose command the node would not take. It would say so itself; but one too large for a frame would cost
  // the connection.
  void admit(const wire::AppFrame& request) const {
    const auto bytes = request.propose().command().size();
    if (largest == 0 || bytes <= largest) return;
    throw Error("TOO_LARGE", true,
                "the command has " + std::to_string(bytes) + " bytes, over the node's limit of " + std::to_string(largest));
  }

  // Sends a request and waits for its answer. An Error is definite only where the node said so.
  wire::SidecarFrame ask(const wire::AppFrame& request, std::uint64_t id, Deadline deadline) {
    deadline_ = deadline;
    send(request);
    for (;;) {
      auto frame = next();
      heed(frame);
      if (number_of(frame) != id) continue;
      if (frame.has_error()) throw refusal(frame.error());
      return frame;
    }
  }

  std::uint64_t next_id() { return ++last_; }

  // Takes what the node has said since, so that a goodbye is heard before the next request. Says whether it is still there.
  bool catch_up() {
    try {
      while (receive()) {
      }
      for (wire::SidecarFrame frame; take(frame);) heed(frame);
    } catch (const Error&) {
      usable = false;
    }
    return usable;
  }

private:
  void greet(const Address& address) {
    output_ = "OUTRIG/1";
    wire::AppFrame hello;
    hello.mutable_hello()->set_protocol(1);
    hello.mutable_hello()->set_app("outrigger-cpp");
    if (address.token) hello.mutable_hello()->set_token(*address.token);
    send(hello);
    for (;;) {
      const auto frame = next();
      if (frame.has_error()) throw refusal(frame.error());
      if (!frame.has_welcome()) continue;
      node = frame.welcome().node();
      cluster = frame.welcome().cluster();
      largest = frame.welcome().limits().command_bytes();
      return;
    }
  }

  void heed(const wire::SidecarFrame& frame) {
    if (frame.has_pressure()) says_stop = frame.pressure().level() == wire::Pressure::STOP;
    if (frame.has_goodbye()) usable = false;  // it may answer yet what it was asked before
  }

  void send(const wire::AppFrame& frame) {
    {
      google::protobuf::io::StringOutputStream out(&output_);
      google::protobuf::util::SerializeDelimitedToZeroCopyStream(frame, &out);
    }
    while (!output_.empty()) {
      wait(POLLOUT);
      const auto sent = ::send(descriptor_, output_.data(), output_.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) lose(std::strerror(errno));
      if (sent > 0) output_.erase(0, static_cast<std::size_t>(sent));
    }
  }

  wire::SidecarFrame next() {
    wire::SidecarFrame frame;
    while (!take(frame)) {
      wait(POLLIN);
      receive();
    }
    return frame;
  }

  // The next whole frame of what was received.
  bool take(wire::SidecarFrame& frame) {
    google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(input_.data()),
                                              static_cast<int>(input_.size()));
    std::uint32_t length = 0;
    if (!in.ReadVarint32(&length)) {
      if (input_.size() >= 5) lose("the node sent a frame without a length");
      return false;
    }
    if (length > kFrameBytes) lose("the node sent a frame that is too long");
    const auto start = static_cast<std::size_t>(in.CurrentPosition());
    if (input_.size() < start + length) return false;
    if (!frame.ParseFromArray(input_.data() + start, static_cast<int>(length))) lose("the node sent a broken frame");
    input_.erase(0, start + length);
    return true;
  }

  // Whether there was something.
  bool receive() {
    char chunk[65536];
    const auto count = recv(descriptor_, chunk, sizeof chunk, 0);
    if (count == 0) lose("the node closed the connection");
    if (count < 0 && errno != EAGAIN && errno != EINTR) lose(std::strerror(errno));
    if (count > 0) input_.append(chunk, static_cast<std::size_t>(count));
    return count > 0;
  }

  void wait(short event) {
    pollfd one{descriptor_, event, 0};
    const auto left = std::min<std::int64_t>(left_until(deadline_).count(), 3'600'000);
    if (left > 0 && (poll(&one, 1, static_cast<int>(left)) > 0 || errno == EINTR)) return;
    usable = false;  // silent; and an answer that comes later must not be taken for another's
    throw Error("TIMEOUT", false, "the node did not answer in time");
  }

  [[noreturn]] void lose(const std::string& why) {
    usable = false;
    throw Error("CONNECTION_LOST", false, why);
  }

  int descriptor_;
  Deadline deadline_;
  std::string input_, output_;
  std::uint64_t last_ = 0;
};

// ---------------------------------------------------------------- which node, and what is tried again

struct Client::Frames {
  wire::AppFrame request;
  wire::SidecarFrame answer{};
  std::string node{};  // that answered
};

Client::Client(std::vector<Address> addresses, Milliseconds timeout) : addresses_(std::move(addresses)) {
  if (addresses_.empty()) throw Error("BAD_REQUEST", true, "a client needs the address of a node");
  reach(steady_clock::now() + timeout);
}

Client::~Client() = default;

namespace {

Proposed proposed(const wire::Proposed& done, const std::string& node) {
  return {done.index(), done.term(), done.result(), done.duplicate(), done.result_lost(), node};
}

}  // namespace

Proposed Client::propose(const std::string& command, Milliseconds timeout) {
  Frames frames{};
  frames.request.mutable_propose()->set_command(command);
  call(frames, steady_clock::now() + timeout, /*once=*/true);
  return proposed(frames.answer.proposed(), frames.node);
}

ReadIndex Client::read(Milliseconds timeout) {
  Frames frames{};
  frames.request.mutable_read()->set_consistency(wire::Read::LINEARIZABLE);
  call(frames, steady_clock::now() + timeout, /*once=*/false);
  return {frames.answer.read_ready().index(), frames.node};
}

ReadIndex Client::read_at_least(std::uint64_t index, Milliseconds timeout) {
  Frames frames{};
  frames.request.mutable_read()->set_consistency(wire::Read::AT_LEAST);
  frames.request.mutable_read()->set_index(index);
  call(frames, steady_clock::now() + timeout, /*once=*/false);
  return {frames.answer.read_ready().index(), frames.node};
}

Session Client::open_session(Milliseconds ttl, Milliseconds timeout) {
  Frames frames{};
  frames.request.mutable_open_session()->set_ttl_ms(static_cast<std::uint32_t>(ttl.count()));
  call(frames, steady_clock::now() + timeout, /*once=*/false);
  return {*this, frames.answer.session_opened().session()};
}

// Tries until it is answered, for as long as that is safe: after a definite refusal that passes, and, where asking twice changes nothing
// (`once` is false), after any unknown outcome.
void Client::call(Frames& frames, Deadline deadline, bool once) {
  for (int tries = 1;; tries++) {
    try {
      return try_once(frames, deadline, once);
    } catch (const Error& error) {
      const bool again = error.passes() || (!error.definite && !once);
      if (!again || !sleep(error.pause(tries), deadline)) throw;
    }
  }
}

// Sends the request to the node that we are with, and learns from the answer whether to stay there. `whole`: it gets all the time.
void Client::try_once(Frames& frames, Deadline deadline, bool whole) {
  Link& link = reach(deadline);
  const auto left = left_until(deadline);
  const auto time = std::clamp(whole ? left : std::min(left, kTry), 1ms, kTimeoutMax);
  const auto ms = static_cast<std::uint32_t>(time.count());
  const auto id = link.next_id();
  auto& request = frames.request;
  if (request.has_propose()) request.mutable_propose()->set_id(id), request.mutable_propose()->set_timeout_ms(ms);
  if (request.has_read()) request.mutable_read()->set_id(id), request.mutable_read()->set_timeout_ms(ms);
  if (request.has_open_session()) request.mutable_open_session()->set_id(id);
  if (request.has_keep_session()) request.mutable_keep_session()->set_id(id);
  if (request.has_close_session()) request.mutable_close_session()->set_id(id);
  frames.node = link.node;
  try {
    link.admit(request);
    if (request.has_propose() && link.says_stop) throw Error("OVERLOADED", true, "the node says STOP");
    frames.answer = link.ask(request, id, steady_clock::now() + time + kGrace);
  } catch (const Error& error) {
    judge(error);
    if (link_ && !link_->usable) leave();
    throw;
  }
  fails_ = setbacks_ = 0;
  const auto& answer = frames.answer;
  highest_index_ = std::max({highest_index_, answer.proposed().index(), answer.read_ready().index(),
                             answer.session_opened().session()});
  if (!link.usable) leave();
}

// Leaves the node when its error says that it cannot, and another one may.
void Client::judge(const Error& error) {
  const bool others = addresses_.size() > 1;
  const auto& code = error.code;
  if (code == "SHUTTING_DOWN" || (others && (code == "APP_ABSENT" || code == "NO_SPACE"))) return leave();
  if (code == "OVERLOADED" || code == "TIMEOUT" || code == "LEADER_LOST" || code == "INTERNAL") setbacks_++;
  if (others && setbacks_ >= kFailuresToMove) leave();
}

void Client::leave() {
  if (!link_) return;
  link_.reset();
  at_++;
  fails_++;
  setbacks_ = 0;
}

// The connection that there is; else node after node is dialled until one welcomes us.
Link& Client::reach(Deadline deadline) {
  if (link_ && !link_->catch_up()) leave();
  for (std::size_t refusals = 0; !link_;) {
    // The first failure costs nothing: the next node is dialled at once.
    if (fails_ > 1 && !sleep(backoff(fails_ - 1), deadline)) {
      throw Error("NOT_SENT", true, "no node was reached in time");
    }
    try {
      auto link = std::make_unique<Link>(addresses_[at_ % addresses_.size()],
                                         std::min<Deadline>(deadline, steady_clock::now() + kDial));
      if (!cluster_.empty() && link->cluster != cluster_) {
        throw Error("WRONG_CLUSTER", true, link->node + " is a node of " + link->cluster + ", not of " + cluster_);
      }
      cluster_ = link->cluster;
      link_ = std::move(link);
      setbacks_ = 0;
    } catch (const Error& error) {
      at_++;
      fails_++;
      // May it welcome us a moment later? When no node may, waiting is in vain.
      refusals = error.definite && error.code != "OVERLOADED" ? refusals + 1 : 0;
      if (refusals >= addresses_.size()) throw;
    }
  }
  return *link_;
}

// ---------------------------------------------------------------- sessions

Proposed Session::propose(const std::string& command, Milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  if (gone_) lose("it was lost before", true);
  if (held_) {
    // An error of what was held before says nothing of this command: that one surely did not happen.
    try {
      settle(deadline);
    } catch (const SessionLost& lost) {
      throw SessionLost(lost.code, true, lost.what());
    } catch (const Error& error) {
      if (error.code != "SKIPPED") {
        throw Error("NOT_SENT", true, std::string("an earlier command of the session is still unsettled: ") + error.what());
      }
    }
  }
  held_ = Held{command};
  return settle(deadline);
}

void Session::keep(Milliseconds timeout) {
  Client::Frames frames{};
  frames.request.mutable_keep_session()->set_session(id_);
  try {
    client_.call(frames, steady_clock::now() + timeout, /*once=*/false);
  } catch (const Error& error) {
    if (error.code == "SESSION_UNKNOWN") lose(error.what(), true);
    throw;
  }
}

void Session::close(Milliseconds timeout) {
  Client::Frames frames{};
  frames.request.mutable_close_session()->set_session(id_);
  gone_ = true;
  try {
    client_.call(frames, steady_clock::now() + timeout, /*once=*/false);
  } catch (const Error& error) {
    if (error.code != "SESSION_UNKNOWN") throw;
  }
}

// Sends what is held, always under the same sequence, until it is answered or surely refused.
Proposed Session::settle(Deadline deadline) {
  Client::Frames frames{};
  auto& propose = *frames.request.mutable_propose();
  propose.set_command(held_->command);
  propose.set_session(id_);
  propose.set_sequence(next_);
  propose.set_ack_below(next_);
  for (int tries = 1;; tries++) {
    try {
      client_.try_once(frames, deadline, /*whole=*/false);
      held_.reset();
      next_++;
      return proposed(frames.answer.proposed(), frames.node);
    } catch (const Error& error) {
      if (error.code == "SESSION_UNKNOWN") lose(error.what(), !held_->maybe);
      if (error.code == "SKIPPED") {  // an operator's answer: the number is used, and no app was given the command
        held_.reset();
        next_++;
        throw;
      }
      if (!error.definite) held_->maybe = true;
      const bool for_good = error.definite && !error.passes() && error.code != "SEQUENCE_GAP";
      const bool in_time = !(for_good && !held_->maybe) && sleep(error.pause(tries), deadline);
      if (in_time) continue;
      if (!held_->maybe) {  // every try was refused: the number is free
        held_.reset();
        throw;
      }
      throw Error("TIMEOUT", false,
                  "command " + std::to_string(next_) + " of session " + std::to_string(id_) +
                      " was not answered in time; the session holds it");
    }
  }
}

void Session::lose(const std::string& why, bool sure) {
  gone_ = true;
  const std::string what = sure ? "; this command was not taken" : "; whether this command took effect is unknown";
  throw SessionLost("SESSION_UNKNOWN", sure, "session " + std::to_string(id_) + ": " + why + what);
}

}  // namespace outrigger
