#!/usr/bin/python3 -IS
"""Sends HAProxy's traffic to the node that leads, when an Outrigger sidecar tells that it does. Two ways to be told:

  leader-news.py SOCKET BACKEND MEMORY            reads one piece of news from standard input: for "leaderNewsCommand"
  leader-news.py SOCKET BACKEND MEMORY PORT       stays, and takes news by POST on 127.0.0.1:PORT: for "leaderNewsUrl",
                                                  quicker, since nothing has to be started

SOCKET is HAProxy's runtime socket, which we must be allowed to write to; MEMORY a file of ours, for the highest term we
heard of. A sidecar's configuration file has one of
  "leaderNewsCommand": ["/etc/outrigger/leader-news.py", "/run/haproxy/admin.sock", "leader_by_news", "/run/outrigger/term"]
  "leaderNewsUrl": "http://127.0.0.1:9010/"
"""
import fcntl
import json
import socket
import sys

NEWS_BYTES = 64 * 1024


class Refused(Exception):
    """HAProxy did not do it: the sidecar should tell again."""


def ask(path, commands):
    """Runtime commands of HAProxy in one go; what it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect(path)
        connection.sendall((";".join(commands) + "\n").encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def servers(path, backend):
    """The names of the servers of a backend: the fourth word of each line about one."""
    lines = ask(path, ["show servers state " + backend]).splitlines()
    return [line.split()[3] for line in lines if line[:1].isdigit() and len(line.split()) > 4]


def take(news, path, backend, memory):
    # Only the leader itself moves the traffic. Until it does, the old one's requests are sent on to it by the nodes.
    if not news["isLeader"]:
        return
    with open(memory, "a+") as file:
        # Nodes of one machine may tell at the same time: the higher term wins, whichever comes first.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if news["term"] < int(file.read() or 0):
            return
        names = servers(path, backend)
        if news["leader"] not in names:
            raise Refused("the backend %s has no server %s, only: %s" % (backend, news["leader"], ", ".join(names)))
        others = [name for name in names if name != news["leader"]]
        # The new one first, so that there is always one. "drain" keeps the checks going, and ends nothing under way.
        states = [(news["leader"], "ready")] + [(name, "drain") for name in others]
        complaint = ask(path, ["set server %s/%s state %s" % (backend, name, state) for name, state in states])
        if complaint.strip():
            raise Refused("HAProxy said: " + complaint.strip())
        file.truncate(0)
        file.write(str(news["term"]))


def serve(port, told):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status = 204
            try:
                told(json.loads(self.rfile.read(min(int(self.headers["Content-Length"]), NEWS_BYTES))))
            except (Refused, OSError, ValueError, KeyError, TypeError) as no:
                print("leader-news: %s" % no, file=sys.stderr, flush=True)
                status = 503
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main():
    path, backend, memory, *port = sys.argv[1:]
    if port:
        return serve(int(port[0]), lambda news: take(news, path, backend, memory))
    try:
        take(json.load(sys.stdin), path, backend, memory)
    except (Refused, OSError) as no:
        sys.exit("leader-news: %s" % no)


if __name__ == "__main__":
    main()
