// A replicated key-value server beside an Outrigger sidecar.
//
// A write is not done here, it is proposed. The sidecar replicates it and gives it back, on every node in the same order, and only
// then Machine::execute changes the state. README.md has the requests.
//
// Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (default: any free port).
#include "replica.hpp"

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

namespace {

constexpr int kConnections = 256;  // of HTTP at a time, each with a thread; more wait

Refused bad_request(const std::string& message) { return {"BAD_REQUEST", true, message}; }

// Answers when the command is on a majority of disks and applied here.
void propose(Replica& replica, const nlohmann::json& command, httplib::Response& response) {
  wire::AppFrame request;
  try {
    request.mutable_propose()->set_command(command.dump());
  } catch (const nlohmann::json::exception&) {
    throw bad_request("keys and values are UTF-8 text");
  }
  const auto done = replica.ask(request).proposed();
  const auto index = std::to_string(done.index());
  response.set_header("X-Index", index);
  // What execute answered, with the index before it.
  response.set_content("{\"index\": " + index + ", " + done.result().substr(1), "application/json");
}

// For tests: equal bytes on nodes that are equal.
void dump(Replica& replica, httplib::Response& response) {
  replica.with_state([&](const State& state, std::uint64_t applied) {
    std::string body = "{\"appliedIndex\": " + std::to_string(applied) + ", \"state\": ";
    write_chunks(state, [&](const std::string& data) { body += data; });
    response.set_content(body + "}", "application/json");
  });
}

void get(Replica& replica, const std::string& key, const httplib::Request& http, httplib::Response& response) {
  wire::AppFrame request;
  auto& read = *request.mutable_read();
  if (const auto how = http.get_param_value("consistency"); !how.empty()) {
    wire::Read::Consistency consistency;
    if (!wire::Read::Consistency_Parse(how, &consistency)) throw bad_request("no such consistency");
    read.set_consistency(consistency);
  }
  if (const auto index = http.get_param_value("index"); !index.empty()) {
    if (index.find_first_not_of("0123456789") != std::string::npos || index.size() > 15) {
      throw bad_request("index is a number");
    }
    read.set_index(std::stoull(index));
  }
  replica.ask(request);  // back when our state is as fresh as was asked for
  replica.with_state([&](const State& state, std::uint64_t applied) {
    const auto found = state.find(key);
    response.status = found == state.end() ? 404 : 200;
    response.set_header("X-Index", std::to_string(applied));
    response.set_content(found == state.end() ? "" : found->second, "text/plain; charset=utf-8");
  });
}

// A definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened.
void refuse(const Refused& no, httplib::Response& response) {
  response.status = !no.definite ? 504 : no.code == "BAD_REQUEST" ? 400 : no.code == "TOO_LARGE" ? 413 : 503;
  if (response.status == 503) response.set_header("Retry-After", "1");
  const std::string definite = no.definite ? "true" : "false";
  response.set_content("{\"code\": " + quote(no.code) + ", \"definite\": " + definite +
                           ", \"message\": " + quote(no.what()) + "}",
                       "application/json");
}

void route(httplib::Server& server, Replica& replica) {
  const auto any = R"(/([\s\S]*))";
  const auto key = [](const httplib::Request& http) { return http.path.substr(1); };
  server.Get(any, [&replica, key](const httplib::Request& http, httplib::Response& response) {
    if (http.path == "/_dump") return dump(replica, response);
    get(replica, key(http), http, response);
  });
  // It reads the body itself: the library would take curl's for a form.
  server.Put(any, [&replica, key](const httplib::Request& http, httplib::Response& response,
                                  const httplib::ContentReader& body) {
    std::string value;
    body([&](const char* data, std::size_t length) {
      value.append(data, length);
      return true;
    });
    propose(replica, {{"op", "put"}, {"key", key(http)}, {"value", value}}, response);
  });
  server.Delete(any, [&replica, key](const httplib::Request& http, httplib::Response& response) {
    propose(replica, {{"op", "delete"}, {"key", key(http)}}, response);
  });
  server.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr thrown) {
    try {
      std::rethrow_exception(thrown);
    } catch (const Refused& no) {
      refuse(no, response);
    } catch (const std::exception& error) {
      refuse(Refused("INTERNAL", false, error.what()), response);
    }
  });
}

}  // namespace

int main() {
  const char* path = std::getenv("OUTRIGGER_SOCKET");
  if (path == nullptr) {
    std::cerr << "set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- build/kv`" << std::endl;
    return 1;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a write to a sidecar that has gone is an error like others
  Replica replica(path);
  httplib::Server server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kConnections); };
  server.set_tcp_nodelay(true);
  route(server, replica);
  const char* wanted = std::getenv("KV_PORT");
  int port = wanted == nullptr ? 0 : std::atoi(wanted);
  if (port == 0) {
    port = server.bind_to_any_port("127.0.0.1");
  } else if (!server.bind_to_port("127.0.0.1", port)) {
    port = -1;
  }
  if (port < 0) {
    std::cerr << "port " << (wanted == nullptr ? "0" : wanted) << " cannot be had" << std::endl;
    return 1;
  }
  std::thread([&replica] { replica.follow(); }).detach();
  std::cout << "listening on http://127.0.0.1:" << port << std::endl;
  server.listen_after_bind();
}
