// The state machine. It knows nothing of sidecars, and it has no lock: whoever has it sees to that.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

inline constexpr char kFormat[] = "kv-json-1";         // of snapshots: one JSON object, the same bytes in every language
inline constexpr std::size_t kChunkBytes = 256 * 1024;  // of a snapshot in one frame, the most that a sidecar takes

// Sorted by the bytes of UTF-8, which is the order of code points.
using State = std::map<std::string, std::string>;

class Machine {
public:
  explicit Machine(State state = {});

  // Changes the state. The same command in the same state MUST do the same on every node: so no clock, no randomness, no files; and
  // a command that makes no sense is answered, never a crash: it is in the log for good.
  std::string execute(const std::string& command);

  const State& state() const { return state_; }

  // What the state is like. The sidecars compare: a copy that differs is found out.
  std::string digest() const;

private:
  __extension__ using Sum = unsigned __int128;
  static Sum mark(const std::string& key, const std::string& value);

  State state_;
  Sum sum_ = 0;  // over the marks of all keys, modulo 2^128: it costs the same however large the state is
};

// Reads a JSON object whose members are all strings. So strict because copies in other languages must refuse the same: parsers
// differ in what they make of numbers, of half a surrogate pair, and of anything that is not UTF-8.
std::optional<State> parse(const std::string& data);

// A JSON string in ASCII, as every copy writes it. Throws where the text is not UTF-8.
std::string quote(const std::string& text);

// Writes the state as {"key": "value", …}, a piece at a time.
void write_chunks(const State& state, const std::function<void(const std::string&)>& send);

class Sha256 {
public:
  Sha256();
  void update(std::string_view data);
  std::string finish();

private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};
