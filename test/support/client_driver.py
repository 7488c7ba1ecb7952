"""Drives clients/python/outrigger.py for tests: reads commands as JSON lines, {"id", "method", "args"}, and writes what each came to.

Each call has a thread of its own, except where their order matters: commands of a session are submitted in the order given.
"""
import json
import sys
import threading
import traceback

import outrigger

CLIENT = None
SESSIONS = {}
OUTPUT = threading.Lock()


def write(**answer):
    with OUTPUT:
        print(json.dumps(answer), flush=True)


def report(number, call):
    try:
        write(id=number, ok=call())
    except outrigger.OutriggerError as error:
        failure = {
            "kind": type(error).__name__,
            "code": error.code,
            "definite": error.definite,
            "message": str(error),
            "leader": error.leader,
            "retryAfterMs": error.retry_after_ms,
        }
        write(id=number, failure=failure)
    except BaseException:
        write(id=number, bug=traceback.format_exc())


def seconds(args):
    return args["timeoutMs"] / 1000 if "timeoutMs" in args else None


def done(proposed):
    return {
        "index": proposed.index,
        "term": proposed.term,
        "result": None if proposed.result is None else proposed.result.decode(),
        "duplicate": proposed.duplicate,
        "resultLost": proposed.result_lost,
        "node": proposed.node,
    }


def limits(given):
    """Names as in clients/typescript/limits.ts: fooBarMs is foo_bar_s here."""
    ours = {}
    for name, value in given.items():
        snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
        if snake.endswith("_ms"):
            snake, value = snake[:-2] + "s", value / 1000
        ours[snake] = value
    return outrigger.Limits(**ours)


def address(given):
    return given if isinstance(given, str) else (given["address"], given.get("token"))


def connect(args):
    global CLIENT
    places = [address(given) for given in args["addresses"]]
    CLIENT = outrigger.connect(places, seconds(args), shuffle=False, limits=limits(args["limits"]))


def read(args):
    return vars(CLIENT.read(args.get("consistency"), args.get("atLeast"), seconds(args)))


def open_session(args):
    session = CLIENT.session(args["ttlMs"] / 1000)
    SESSIONS[session.id] = session
    return {"session": session.id}


METHODS = {
    "connect": connect,
    "propose": lambda args: done(CLIENT.propose(args["command"], seconds(args))),
    "read": read,
    "readMonotonic": lambda args: vars(CLIENT.read_monotonic(seconds(args))),
    "openSession": open_session,
    "closeSession": lambda args: SESSIONS[args["session"]].close(),
    "close": lambda args: CLIENT and CLIENT.close(),
    "facts": lambda args: {"node": CLIENT.node, "leader": CLIENT.leader, "highestIndex": CLIENT.highest_index},
}


def in_session(number, args):
    try:
        future = SESSIONS[args["session"]].submit(args["command"], seconds(args))
    except outrigger.OutriggerError as error:
        problem = error

        def refuse():
            raise problem

        return report(number, refuse)
    future.add_done_callback(lambda future: report(number, lambda: done(future.result())))


def main():
    for line in sys.stdin:
        command = json.loads(line)
        number, method, args = command["id"], command["method"], command["args"]
        if method == "proposeInSession":
            in_session(number, args)
        else:
            call = lambda method=method, args=args: METHODS[method](args)  # noqa: E731
            threading.Thread(target=report, args=(number, call), daemon=True).start()


main()
