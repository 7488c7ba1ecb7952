// Keeps the machine in step with the log, over the one connection to the sidecar that all requests share.
#pragma once

#include "app.pb.h"
#include "machine.hpp"

#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>

namespace wire = outrigger::app::v1;

// The sidecar said no. `definite`: it did not and will not happen. Otherwise it may still happen, or has.
struct Refused : std::runtime_error {
  Refused(std::string code, bool definite, const std::string& message)
      : std::runtime_error(message), code(std::move(code)), definite(definite) {}
  std::string code;
  bool definite;
};

// One connection; frames stay whole on it, whichever thread sends them.
class Connection {
public:
  explicit Connection(const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int descriptor() const { return descriptor_; }
  void send(const wire::AppFrame& frame);

private:
  int descriptor_;
  std::mutex sending_;
};

class Replica {
public:
  explicit Replica(std::string path) : path_(std::move(path)) {}

  // Stays connected for ever. The state outlives the connection: after a sidecar restart we ask only for what came since. (Had
  // the app restarted, `applied_` would be 0, and the sidecar would send a snapshot or the whole log.)
  [[noreturn]] void follow();

  // Sends one request, with a number of its own, and waits for its answer; other threads do the same at the same time.
  wire::SidecarFrame ask(wire::AppFrame request);

  // What is applied, and up to which index; nothing changes while `look` runs.
  template <typename Look>
  void with_state(Look look) {
    const std::lock_guard guard(state_mutex_);
    look(machine_.state(), applied_);
  }

private:
  void serve();
  void take(wire::SidecarFrame& frame);
  void apply(const wire::Entries& batch);
  void check(std::uint64_t index);
  void freeze();
  void ship(std::shared_ptr<Connection> connection, std::uint64_t index, const State& state);
  void restore(const wire::RestoreEnd& end);
  std::optional<State> received(const wire::RestoreEnd& end, std::string& why) const;
  void reset(State state, std::uint64_t index);
  void answer(std::uint64_t id, const wire::SidecarFrame& frame);
  void forget_waiting();

  const std::string path_;

  std::mutex state_mutex_;  // guards the next two
  Machine machine_;
  std::uint64_t applied_ = 0;

  std::mutex line_mutex_;                         // guards the next four
  std::shared_ptr<Connection> line_;              // null until the sidecar has welcomed us
  std::unordered_map<std::uint64_t, std::promise<wire::SidecarFrame>> waiting_;
  std::uint64_t last_ = 0;
  std::size_t largest_ = 0;                       // bytes that a command may have; 0 where the sidecar has not said so

  std::mutex shipping_;  // held by the one snapshot that is being sent

  // The rest belongs to the thread that follows.
  std::shared_ptr<Connection> connection_;
  std::optional<std::string> hash_;         // of the log at `applied_`; none after a restore
  std::uint64_t checked_ = 0;               // the last index at which we looked at our state
  std::optional<wire::StateHash> check_;
  std::optional<std::uint64_t> wanted_;     // the index that takeSnapshot named, until we have applied it
  wire::RestoreBegin coming_;
  std::string data_;                        // of the snapshot that comes
};
