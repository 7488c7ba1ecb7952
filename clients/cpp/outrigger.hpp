// A thin client of an Outrigger cluster: proposals, reads and sessions at any of its nodes, or at a gateway.
//
// C++17, Linux and other Unixes, on libprotobuf: copy outrigger.hpp and outrigger.cpp, and generate app.pb.* from app.proto. Blocking,
// one request at a time, no threads. README.md has the rules.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace outrigger {

using Milliseconds = std::chrono::milliseconds;
using Deadline = std::chrono::steady_clock::time_point;

// A call failed. `definite`: it did not and will not happen. Otherwise it may have happened, or may still happen. Branch on that and
// not on `code`: new codes may come. The client's own are NOT_SENT, CONNECTION_LOST and WRONG_CLUSTER.
struct Error : std::runtime_error {
  Error(std::string code, bool definite, const std::string& message)
      : std::runtime_error(message), code(std::move(code)), definite(definite) {}

  // Surely not done, and worth another try by itself; and after what pause.
  bool passes() const;
  Milliseconds pause(int tries) const;

  std::string code;
  bool definite;
  std::optional<Milliseconds> retry_after{};
};

// The session is gone, and with it the knowledge of what it did not answer. `definite`: *this* command surely did not happen.
// Whatever is done next needs another session.
struct SessionLost : Error {
  using Error::Error;
};

// A path, or HOST:PORT with the token of its `write` scope.
struct Address {
  std::string at;
  std::optional<std::string> token{};  // with one it is TCP
};

struct Proposed {
  std::uint64_t index = 0, term = 0;
  std::string result;        // what the app answered
  bool duplicate = false;    // an earlier try took effect: this is its answer
  bool result_lost = false;  // it took effect, and the node no longer has its result
  std::string node;
};

// The app beside `node` has applied at least `index`, and may be read now.
struct ReadIndex {
  std::uint64_t index = 0;
  std::string node;
};

class Link;
class Session;

// Stays with one node for as long as that answers, then goes to the next one.
class Client {
public:
  // Returns when one of these nodes has welcomed us. They are dialled in this order.
  Client(std::vector<Address> addresses, Milliseconds timeout);
  ~Client();

  // The highest index of all answers so far: hand it to whoever must see what this client has seen.
  std::uint64_t highest_index() const { return highest_index_; }

  // Proposes a command once. When the outcome is unknown it is not tried again, since it could happen twice: a session can.
  Proposed propose(const std::string& command, Milliseconds timeout);

  // Waits until the app beside the node that answers may be read, linearizably: it has every write acknowledged before.
  ReadIndex read(Milliseconds timeout);

  // Sees everything up to that index, and asks no leader. With highest_index() no read of this client goes back.
  ReadIndex read_at_least(std::uint64_t index, Milliseconds timeout);

  // Opens a session that ends by itself when nothing was heard of it for `ttl`. It must not outlive the client.
  Session open_session(Milliseconds ttl, Milliseconds timeout);

private:
  friend class Session;
  struct Frames;  // a request and its answer, as protobuf messages

  void call(Frames& frames, Deadline deadline, bool once);
  void try_once(Frames& frames, Deadline deadline, bool whole);
  Link& reach(Deadline deadline);
  void judge(const Error& error);
  void leave();

  std::vector<Address> addresses_;
  std::unique_ptr<Link> link_;
  std::string cluster_;    // of the first welcome; no other one is accepted
  std::size_t at_ = 0;     // the next address to dial
  int fails_ = 0;          // to reach a node, in a row
  int setbacks_ = 0;       // of a node that answers, in a row
  std::uint64_t highest_index_ = 0;
};

// Makes trying again safe: a command takes effect once, however often it is sent and wherever. One command after the other.
class Session {
public:
  // Sends the command until it is answered. When the time is up first and some try may have been taken, the error is not definite: the
  // session keeps the command under its number, and settles it before whatever is proposed next.
  Proposed propose(const std::string& command, Milliseconds timeout);

  // Says that it is still in use. Needed when it is idle for longer than a third of its time to live.
  void keep(Milliseconds timeout);

  // Ends it. The outcome of what it holds stays unknown.
  void close(Milliseconds timeout);

private:
  friend class Client;
  Session(Client& client, std::uint64_t id) : client_(client), id_(id) {}

  struct Held {
    std::string command;
    bool maybe = false;  // an earlier try may have been taken
  };

  Proposed settle(Deadline deadline);
  [[noreturn]] void lose(const std::string& why, bool sure);

  Client& client_;
  std::uint64_t id_;
  std::uint64_t next_ = 1;    // the sequence of the next command
  std::optional<Held> held_;  // what occupies it
  bool gone_ = false;
};

}  // namespace outrigger
