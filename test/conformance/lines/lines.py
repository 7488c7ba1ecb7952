"""Proposes each line of standard input with clients/python, in one session or with --once in none (README.md beside this folder)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "clients", "python"))
import outrigger  # noqa: E402

TIMEOUT = 60


def address(text):
    at, _, token = text.partition(",")
    return (at, token) if token else at


def answer(propose, command):
    try:
        done = propose(command, TIMEOUT)
        return b"%d %s" % (done.index, done.result or b"")
    except outrigger.SessionLost as error:
        return b"! session-lost %s" % str(error).encode()
    except outrigger.OutriggerError as error:
        return b"! %s %s" % (b"definite" if error.definite else b"unknown", str(error).encode())


def main(args):
    once = args[:1] == ["--once"]
    with outrigger.connect([address(text) for text in args[once:]], TIMEOUT) as cluster:
        session = None if once else cluster.session(TIMEOUT)
        propose = cluster.propose if once else session.propose
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(answer(propose, line.rstrip(b"\n")) + b"\n")
            sys.stdout.buffer.flush()
        cluster.read("AT_LEAST", cluster.highest_index, TIMEOUT)
        if session is not None:
            session.close()


main(sys.argv[1:])
