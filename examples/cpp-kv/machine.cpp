#include "machine.hpp"

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

using nlohmann::json;

namespace {
constexpr char kNoCommand[] = R"({"error": "not a command of this app"})";
}

Machine::Machine(State state) : state_(std::move(state)) {
  for (const auto& [key, value] : state_) sum_ += mark(key, value);
}

std::string Machine::execute(const std::string& command) {
  const auto request = parse(command);
  if (!request || request->count("op") == 0 || request->count("key") == 0) return kNoCommand;
  const auto& operation = request->at("op");
  const auto& key = request->at("key");
  if (operation != "put" && operation != "delete") return kNoCommand;

  const auto found = state_.find(key);
  const bool existed = found != state_.end();
  if (existed) {
    sum_ -= mark(key, found->second);
    state_.erase(found);
  }
  if (operation == "put") {
    const auto value = request->find("value");
    const auto& put = state_[key] = value == request->end() ? "" : value->second;
    sum_ += mark(key, put);
  }
  return existed ? R"({"existed": true})" : R"({"existed": false})";
}

std::string Machine::digest() const {
  std::string bytes(16, '\0');
  for (int at = 0; at < 16; at++) bytes[15 - at] = static_cast<char>(sum_ >> (8 * at) & 0xff);
  return bytes;
}

Machine::Sum Machine::mark(const std::string& key, const std::string& value) {
  Sha256 hash;
  hash.update("[" + quote(key) + ", " + quote(value) + "]");
  Sum sum = 0;
  for (const unsigned char byte : hash.finish().substr(0, 16)) sum = sum << 8 | byte;
  return sum;
}

std::optional<State> parse(const std::string& data) {
  // The parser would skip the one, and take the other for the end.
  if (data.compare(0, 3, "\xef\xbb\xbf") == 0 || data.find('\0') != std::string::npos) return std::nullopt;
  bool only_strings = true;
  const auto look = [&](int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::array_start || (event == Event::object_start && depth > 0) ||
        (event == Event::value && !parsed.is_string())) {
      only_strings = false;
    }
    return true;
  };
  const json value = json::parse(data, look, /*allow_exceptions=*/false);
  if (!only_strings || !value.is_object()) return std::nullopt;
  return value.get<State>();
}

std::string quote(const std::string& text) { return json(text).dump(-1, ' ', /*ensure_ascii=*/true); }

void write_chunks(const State& state, const std::function<void(const std::string&)>& send) {
  std::string data = "{";
  const char* between = "";
  for (const auto& [key, value] : state) {
    data += between + quote(key) + ": " + quote(value);
    between = ", ";
    for (; data.size() >= kChunkBytes; data.erase(0, kChunkBytes)) send(data.substr(0, kChunkBytes));
  }
  send(data + "}");
}

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}

void Sha256::update(std::string_view data) { EVP_DigestUpdate(context_.get(), data.data(), data.size()); }

std::string Sha256::finish() {
  std::string hash(32, '\0');
  EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(hash.data()), nullptr);
  return hash;
}
