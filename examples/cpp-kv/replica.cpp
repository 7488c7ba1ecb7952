#include "replica.hpp"

#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <iostream>
#include <system_error>
#include <thread>

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kCheckEvery = 100;  // at multiples of this, every copy says what its state is like
constexpr auto kAnswerWithin = 20s;

std::system_error failure(const char* what) { return {errno, std::generic_category(), what}; }

}  // namespace

Connection::Connection(const std::string& path) : descriptor_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (descriptor_ < 0) throw failure("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  constexpr char preamble[] = "OUTRIG/1";
  const auto length = static_cast<ssize_t>(std::strlen(preamble));
  if (connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      write(descriptor_, preamble, std::strlen(preamble)) != length) {
    const auto why = failure("connect");
    close(descriptor_);
    throw why;
  }
}

Connection::~Connection() { close(descriptor_); }

void Connection::send(const wire::AppFrame& frame) {
  const std::lock_guard guard(sending_);
  if (!google::protobuf::util::SerializeDelimitedToFileDescriptor(frame, descriptor_)) {
    shutdown(descriptor_, SHUT_RDWR);  // half a frame may have left: nothing can follow it
    throw failure("write");
  }
}

void Replica::follow() {
  for (;;) {
    try {
      serve();
    } catch (const std::system_error&) {
      // The sidecar is not there (yet, or any more): try again.
    }
    connection_.reset();
    forget_waiting();
    std::this_thread::sleep_for(50ms);
  }
}

// Whoever waits will never be answered, and cannot know whether the sidecar got the request: indefinite.
void Replica::forget_waiting() {
  const std::lock_guard guard(line_mutex_);
  line_.reset();
  for (auto& [id, answer] : waiting_) {
    answer.set_exception(std::make_exception_ptr(
        Refused("SIDECAR_LOST", false, "the connection to the sidecar broke")));
  }
  waiting_.clear();
}

void Replica::serve() {
  connection_ = std::make_shared<Connection>(path_);
  wire::AppFrame hello;
  hello.mutable_hello()->set_protocol(1);
  hello.mutable_hello()->set_app("cpp-kv");
  auto& machine = *hello.mutable_hello()->mutable_state_machine();
  machine.set_applied_index(applied_);
  if (hash_) machine.set_applied_hash(*hash_);
  machine.set_snapshots(wire::StateMachine::BLOB);
  connection_->send(hello);

  wanted_.reset();
  coming_.Clear();
  google::protobuf::io::FileInputStream input(connection_->descriptor());
  bool at_end = false;
  wire::SidecarFrame frame;
  while (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&frame, &input, &at_end)) {
    if (frame.has_goodbye()) {
      if (frame.goodbye().reason() == "SUPERSEDED") {
        std::cerr << "another copy of this app took over" << std::endl;
        std::_Exit(1);  // two copies that push each other out would never end
      }
      return;  // and say hello again; so do we after RESTORE, to be given a snapshot
    }
    take(frame);
    frame.Clear();
  }
}

void Replica::take(wire::SidecarFrame& frame) {
  switch (frame.frame_case()) {
    case wire::SidecarFrame::kWelcome: {
      const std::lock_guard guard(line_mutex_);
      largest_ = frame.welcome().limits().command_bytes();
      line_ = connection_;  // from here on requests may use it
      break;
    }
    case wire::SidecarFrame::kEntries: return apply(frame.entries());
    case wire::SidecarFrame::kProposed: return answer(frame.proposed().id(), frame);
    case wire::SidecarFrame::kReadReady: return answer(frame.read_ready().id(), frame);
    case wire::SidecarFrame::kTakeSnapshot:
      wanted_ = frame.take_snapshot().index();
      return freeze();
    case wire::SidecarFrame::kRestoreBegin:
      coming_ = frame.restore_begin();
      return data_.clear();
    case wire::SidecarFrame::kRestoreChunk:
      data_ += frame.restore_chunk().data();
      break;
    case wire::SidecarFrame::kRestoreEnd: return restore(frame.restore_end());
    case wire::SidecarFrame::kError: {
      const auto& error = frame.error();
      if (error.id() != 0) return answer(error.id(), frame);
      std::cerr << "sidecar: " << error.code() << ": " << error.message() << std::endl;
      // Our state is not this log's; it is only in memory, so starting over costs nothing.
      if (error.code() == "APP_AHEAD" || error.code() == "APP_DIVERGED") reset({}, 0);
      break;
    }
    default: break;  // news that we do not need, or do not know
  }
}

// A stretch of the committed log. One acknowledgement for all of it keeps this fast; `through` also covers entries that are not
// ours to see.
void Replica::apply(const wire::Entries& batch) {
  wire::AppFrame frame;
  auto& applied = *frame.mutable_applied();
  applied.set_through(batch.through());
  {
    const std::lock_guard guard(state_mutex_);
    for (const auto& entry : batch.entries()) {
      check(entry.index() - 1);
      auto& result = *applied.add_results();
      result.set_index(entry.index());
      result.set_result(machine_.execute(entry.command()));
    }
    applied_ = batch.through();
    check(applied_);
  }
  hash_ = batch.hash();
  if (check_) *applied.mutable_state_hash() = *check_;
  check_.reset();
  connection_->send(frame);
  freeze();
}

// Everything up to `index` is applied, and nothing later.
void Replica::check(std::uint64_t index) {
  const auto at = index - index % kCheckEvery;
  if (at <= checked_) return;
  checked_ = at;
  check_.emplace();
  check_->set_index(at);
  check_->set_hash(machine_.digest());
}

// Copies the state for a snapshot, once it is as new as was asked for. Only what was acknowledged may be in it, so this comes after
// `applied`; and it is sent by a thread of its own, so entries go on meanwhile.
void Replica::freeze() {
  if (!wanted_ || applied_ < *wanted_) return;
  wanted_.reset();
  std::thread([this, connection = connection_, index = applied_, state = machine_.state()] {
    try {
      ship(connection, index, state);
    } catch (const std::system_error&) {
      // The connection is gone, and with it whoever asked.
    }
  }).detach();
}

void Replica::ship(std::shared_ptr<Connection> connection, std::uint64_t index, const State& state) {
  const std::lock_guard guard(shipping_);
  wire::AppFrame begin;
  begin.mutable_snapshot_begin()->set_index(index);
  begin.mutable_snapshot_begin()->set_format(kFormat);
  connection->send(begin);
  Sha256 whole;
  write_chunks(state, [&](const std::string& data) {
    whole.update(data);
    wire::AppFrame chunk;
    chunk.mutable_snapshot_chunk()->set_data(data);
    connection->send(chunk);
  });
  wire::AppFrame end;
  end.mutable_snapshot_end()->set_sha256(whole.finish());
  connection->send(end);
}

// Takes over a state that another copy has sent, all of it or nothing: until here ours was untouched.
void Replica::restore(const wire::RestoreEnd& end) {
  wire::AppFrame frame;
  std::string why;
  if (auto state = received(end, why)) {
    reset(std::move(*state), coming_.index());
    frame.mutable_restored()->set_index(coming_.index());
  } else {
    frame.mutable_restore_refused()->set_reason(why);
  }
  data_ = {};
  connection_->send(frame);
}

std::optional<State> Replica::received(const wire::RestoreEnd& end, std::string& why) const {
  if (coming_.format() != kFormat) {
    why = "unknown format " + coming_.format();
    return std::nullopt;
  }
  Sha256 hash;
  hash.update(data_);
  if (hash.finish() != end.sha256()) {
    why = "the bytes do not have their sha256";
    return std::nullopt;
  }
  auto state = parse(data_);
  if (!state) why = "not a JSON object of strings";
  return state;
}

// No hash is known there: the next `entries` bring one.
void Replica::reset(State state, std::uint64_t index) {
  const std::lock_guard guard(state_mutex_);
  machine_ = Machine(std::move(state));
  applied_ = checked_ = index;
  hash_.reset();
  check_.reset();
}

void Replica::answer(std::uint64_t id, const wire::SidecarFrame& frame) {
  const std::lock_guard guard(line_mutex_);
  if (auto waiting = waiting_.extract(id)) waiting.mapped().set_value(frame);  // else it has given up
}

wire::SidecarFrame Replica::ask(wire::AppFrame request) {
  std::future<wire::SidecarFrame> answered;
  std::shared_ptr<Connection> connection;
  std::uint64_t id = 0;
  {
    const std::lock_guard guard(line_mutex_);
    if (!line_) throw Refused("SIDECAR_ABSENT", true, "not connected to the sidecar");
    // The sidecar would refuse it as well; and one too large for a frame would cost the connection, with all that is open.
    const auto bytes = request.propose().command().size();
    if (largest_ > 0 && bytes > largest_) {
      throw Refused("TOO_LARGE", true,
                    "the command has " + std::to_string(bytes) + " bytes, over the limit of " + std::to_string(largest_));
    }
    connection = line_;
    id = ++last_;
    answered = waiting_[id].get_future();
  }
  if (request.has_propose()) request.mutable_propose()->set_id(id);
  if (request.has_read()) request.mutable_read()->set_id(id);
  try {
    connection->send(request);
  } catch (const std::system_error&) {
    // follow() notices it as well, and answers everybody who waits.
  }
  if (answered.wait_for(kAnswerWithin) != std::future_status::ready) {
    const std::lock_guard guard(line_mutex_);
    if (waiting_.erase(id) != 0) throw Refused("TIMEOUT", false, "no answer from the sidecar for 20 s");
  }
  auto frame = answered.get();
  if (frame.has_error()) throw Refused(frame.error().code(), frame.error().definite(), frame.error().message());
  return frame;
}
