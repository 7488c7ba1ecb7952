// Proposes each line of standard input, in one session: each takes effect once, whatever dies meanwhile.
//
//     build/lines [--once] /run/n1.sock /run/n2.sock tcp://127.0.0.1:7001,TOKEN
//
// Prints `INDEX RESULT` for each, or `! KIND CODE: message`. With --once, without a session: nothing is tried again whose outcome is
// unknown.
#include "outrigger.hpp"

#include <iostream>
#include <optional>

using namespace std::chrono_literals;

namespace {

constexpr auto kTimeout = 60s;

outrigger::Address address(const std::string& text) {
  const std::string tcp = "tcp://";
  const auto comma = text.find(',');
  if (text.compare(0, tcp.size(), tcp) != 0 || comma == std::string::npos) return {text};
  return {text.substr(tcp.size(), comma - tcp.size()), text.substr(comma + 1)};
}

void run(std::vector<outrigger::Address> addresses, bool once) {
  outrigger::Client cluster(std::move(addresses), kTimeout);
  std::optional<outrigger::Session> session;
  if (!once) session.emplace(cluster.open_session(60s, kTimeout));
  for (std::string line; std::getline(std::cin, line);) {
    try {
      const auto done = session ? session->propose(line, kTimeout) : cluster.propose(line, kTimeout);
      std::cout << done.index << ' ' << done.result << std::endl;
    } catch (const outrigger::SessionLost& lost) {
      std::cout << "! session-lost " << lost.code << ": " << lost.what() << std::endl;
    } catch (const outrigger::Error& error) {
      std::cout << "! " << (error.definite ? "definite " : "unknown ") << error.code << ": " << error.what() << std::endl;
    }
  }
  if (session) session->close(kTimeout);
  const auto read = cluster.read_at_least(cluster.highest_index(), kTimeout);
  std::cerr << "the app beside " << read.node << " holds all of them: it has applied " << read.index << std::endl;
}

}  // namespace

int main(int count, char** values) {
  std::vector<std::string> args(values + 1, values + count);
  const bool once = !args.empty() && args.front() == "--once";
  std::vector<outrigger::Address> addresses;
  for (const auto& arg : args) {
    if (arg != "--once") addresses.push_back(address(arg));
  }
  try {
    run(std::move(addresses), once);
  } catch (const outrigger::Error& error) {
    std::cerr << error.code << ": " << error.what() << std::endl;
    return 1;
  }
}
