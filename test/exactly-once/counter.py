"""A replicated counter that would notice: plain Python beside a sidecar, for the exactly-once campaign.

A command is JSON: {"key", "client", "n"} adds one to `key`, and is the nth of its client; {"read": true} changes nothing.
The result is the state of what it touched, so whoever applied something else, twice, or in another order answers otherwise.

Environment: OUTRIGGER_SOCKET; COUNTER_STATE: a file that keeps the state (written before it is acknowledged, by rename);
without it a restarted app is empty and is given the whole log again.
"""
import base64
import hashlib
import json
import os
import socket
import sys
import time


class Counter:
    def __init__(self, file):
        self.file = file
        self.state = {"applied": 0, "counters": {}, "last": {}, "repeats": 0, "gaps": 0}
        if file and os.path.exists(file):
            with open(file) as saved:
                self.state = json.load(saved)

    def execute(self, command):
        state = self.state
        if command.get("read"):
            digest = hashlib.sha256(json.dumps([state["counters"], state["last"]], sort_keys=True).encode())
            kept = {name: state[name] for name in ("counters", "repeats", "gaps")}
            return dict(kept, digest=digest.hexdigest())
        key, client, n = command["key"], command["client"], command["n"]
        last = state["last"].get(client, 0)
        if n <= last:
            state["repeats"] += 1
        elif n > last + 1:
            state["gaps"] += 1
        state["last"][client] = max(last, n)
        state["counters"][key] = state["counters"].get(key, 0) + 1
        return {"value": state["counters"][key]}

    def save(self):
        if not self.file:
            return
        with open(self.file + ".new", "w") as saved:
            json.dump(self.state, saved)
        os.replace(self.file + ".new", self.file)


def line(name, **body):
    return json.dumps({name: body}).encode() + b"\n"


def serve(counter, path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        machine = {"appliedIndex": counter.state["applied"], "snapshots": "NONE"}
        connection.sendall(line("hello", protocol=1, app="counter", stateMachine=machine))
        for text in connection.makefile("rb"):
            ((name, body),) = json.loads(text).items()
            if name == "goodbye" or name == "error":
                print("sidecar:", name, body, file=sys.stderr, flush=True)
            if name != "entries":
                continue
            results = []
            for entry in body.get("entries", ()):
                answer = counter.execute(json.loads(base64.b64decode(entry["command"])))
                encoded = base64.b64encode(json.dumps(answer, sort_keys=True).encode()).decode()
                results.append({"index": entry["index"], "result": encoded})
            counter.state["applied"] = int(body["through"])
            counter.save()
            connection.sendall(line("applied", through=counter.state["applied"], results=results))


def main():
    counter = Counter(os.environ.get("COUNTER_STATE"))
    while True:
        try:
            serve(counter, os.environ["OUTRIGGER_SOCKET"])
        except (OSError, ValueError):
            pass  # the sidecar is not there, or died in the middle of a line
        time.sleep(0.05)


main()
