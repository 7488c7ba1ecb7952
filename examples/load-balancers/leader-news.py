#!/usr/bin/python3 -IS
"""Sends HAProxy's traffic to the node that leads, when an Outrigger sidecar tells that it does.

In the configuration file of each sidecar (its user must be allowed to write to HAProxy's socket):
  "leaderNewsCommand": ["/etc/outrigger/leader-news.py", "/run/haproxy/admin.sock", "leader_by_news", "/run/outrigger/term"]
The news is one line of JSON on standard input. The last argument is a file of ours: the highest term that was heard of.
"""
import fcntl
import json
import socket
import sys


def ask(path, commands):
    """Runtime commands of HAProxy in one go; what it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect(path)
        connection.sendall((";".join(commands) + "\n").encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def servers(path, backend):
    """The names of the servers of a backend: the fourth word of each line that is no comment."""
    lines = ask(path, ["show servers state " + backend]).splitlines()
    return [line.split()[3] for line in lines if line[:1].isdigit() and len(line.split()) > 4]


def main():
    path, backend, memory = sys.argv[1:]
    news = json.load(sys.stdin)
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
            sys.exit("the backend %s has no server %s, only: %s" % (backend, news["leader"], ", ".join(names)))
        others = [name for name in names if name != news["leader"]]
        # The new one first, so that there is always one. "drain" keeps the checks going, and ends nothing under way.
        states = [(news["leader"], "ready")] + [(name, "drain") for name in others]
        complaint = ask(path, ["set server %s/%s state %s" % (backend, name, state) for name, state in states])
        if complaint.strip():
            sys.exit("HAProxy said: " + complaint.strip())
        file.truncate(0)
        file.write(str(news["term"]))


if __name__ == "__main__":
    main()
