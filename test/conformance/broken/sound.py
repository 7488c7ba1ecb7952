"""A sound key-value app with snapshots: what the broken ones beside it are made from. It passes every check of the suite.

It keeps everything in memory. Each method is one thing that an app may get wrong, so that broken.py can get it wrong.
"""
import base64
import hashlib
import itertools
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

WINDOW = 32
SUM_EVERY = 8
CHUNK = 32 * 1024


class App:
    machine = {"snapshots": "BLOB", "windowEntries": WINDOW}
    pause = 0.05

    def __init__(self):
        self.lock = threading.RLock()  # the state, and what is sent: one at a time
        self.connection = None
        self.waiting, self.numbers = {}, itertools.count(1)
        self.wanted = None  # the index of a takeSnapshot that waits
        self.restoring = None
        self.start_over()

    def start_over(self):
        self.state, self.applied, self.hash = {}, 0, None

    # ------------------------------------------------------------ the connection

    def run(self):
        while True:
            try:
                self.connect()
            except (OSError, ValueError):
                pass  # gone, perhaps in the middle of a line
            self.lost()
            time.sleep(self.pause)

    def connect(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(os.environ["OUTRIGGER_SOCKET"])
            self.connection, self.restoring, self.wanted = connection, None, None
            self.send("hello", **self.hello())
            for text in self.lines(connection):
                ((name, body),) = json.loads(text).items()
                with self.lock:
                    self.frame(name, body)

    def lines(self, connection):
        return connection.makefile("rb")

    def lost(self):
        with self.lock:
            self.connection, waiting, self.waiting = None, self.waiting, {}
        for answer in waiting.values():
            answer.put(("error", {"code": "SIDECAR_LOST", "definite": False}))

    def hello(self):
        machine = {"appliedIndex": self.applied, **self.machine}
        if self.hash is not None:
            machine["appliedHash"] = self.hash
        return {"protocol": 1, "app": "sound", "stateMachine": machine}

    def send(self, name, **body):
        with self.lock:
            if self.connection is None:
                raise OSError("not connected")
            self.connection.sendall(json.dumps({name: body}).encode() + b"\n")

    def frame(self, name, body):
        if name == "entries":
            self.entries(body)
        elif name == "takeSnapshot":
            self.wanted = int(body["index"])
            self.give_snapshot()
        elif name in ("restoreBegin", "restoreChunk", "restoreEnd"):
            self.take_snapshot(name, body)
        elif name in ("proposed", "readReady") or (name == "error" and body.get("id")):
            self.answer(name, body)
        elif name == "error":
            self.error(body)
        elif name == "goodbye":
            self.goodbye(body.get("reason"))

    def error(self, body):
        if body["code"] in ("APP_AHEAD", "APP_DIVERGED"):
            self.start_over()

    def goodbye(self, reason):
        if reason == "SUPERSEDED":
            os._exit(1)

    # ------------------------------------------------------------ the log

    def entries(self, body):
        results, sums = [], {}
        for entry in body.get("entries", ()):
            index = int(entry["index"])
            results += self.entry(index, base64.b64decode(entry.get("command", "")))
            if index % SUM_EVERY == 0:
                sums = {"stateHash": {"index": index, "hash": encode(self.sum())}}
        self.applied, self.hash = int(body["through"]), body["hash"]
        self.acknowledge(body, results, sums)
        self.give_snapshot()

    def entry(self, index, command):
        return [{"index": index, "result": encode(json.dumps(self.execute(command)).encode())}]

    def acknowledge(self, body, results, sums):
        self.send("applied", through=int(body["through"]), results=results, **sums)

    def execute(self, command):
        try:
            request = json.loads(command)
            operation, key, value = request["op"], request["key"], request.get("value", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {"error": "no command"}
        if operation not in ("put", "delete") or not isinstance(key, str) or not isinstance(value, str):
            return {"error": "no command"}
        existed = key in self.state
        if operation == "put":
            self.state[key] = value
        else:
            self.state.pop(key, None)
        return {"existed": existed}

    def sum(self):
        return hashlib.sha256(self.freeze()).digest()[:16]

    # ------------------------------------------------------------ snapshots

    def freeze(self):
        return json.dumps(self.state, sort_keys=True).encode()

    def give_snapshot(self):
        if self.wanted is None or self.applied < self.wanted:
            return
        self.wanted = None
        data = self.freeze()
        self.send("snapshotBegin", index=self.snapshot_index(), format="json", size=len(data))
        for at in range(0, len(data), CHUNK):
            self.send("snapshotChunk", data=encode(data[at : at + CHUNK]))
        self.send("snapshotEnd", sha256=encode(self.digest(data)))

    def snapshot_index(self):
        return self.applied

    def digest(self, data):
        return hashlib.sha256(data).digest()

    def take_snapshot(self, name, body):
        if name == "restoreBegin":
            self.restoring = (int(body["index"]), int(body["size"]), [])
        elif name == "restoreChunk":
            self.restoring[2].append(base64.b64decode(body["data"]))
        else:
            index, size, chunks = self.restoring
            data, self.restoring = b"".join(chunks), None
            if not self.whole(data, size, base64.b64decode(body["sha256"])):
                return self.send("restoreRefused", reason="the bytes do not have that sha256")
            self.thaw(json.loads(data))
            self.applied, self.hash = index, None
            self.send("restored", index=index)

    def whole(self, data, size, sha256):
        return len(data) == size and hashlib.sha256(data).digest() == sha256

    def thaw(self, state):
        self.state = state

    # ------------------------------------------------------------ clients

    def ask(self, name, **body):
        answer = queue.SimpleQueue()
        with self.lock:
            number = next(self.numbers)
            self.waiting[number] = answer
            try:
                self.send(name, id=number, **body)
            except OSError:
                self.waiting.pop(number, None)
                return "error", {"code": "SIDECAR_ABSENT", "definite": True}
        return answer.get(timeout=60)

    def answer(self, name, body):
        waiter = self.waiting.pop(int(body["id"]), None)
        if waiter is not None:
            waiter.put((name, body))

    def put(self, key, value):
        command = encode(json.dumps({"op": "put", "key": key, "value": value}).encode())
        name, body = self.ask("propose", command=command, wait="APPLIED")
        if name == "error":
            return (503 if body["definite"] else 504), json.dumps(body)
        return 200, json.dumps({"index": int(body["index"]), **json.loads(base64.b64decode(body["result"]))})

    def get(self, key):
        if key != "_dump":
            name, body = self.ask("read")
            if name == "error":
                return (503 if body["definite"] else 504), json.dumps(body)
        with self.lock:
            if key == "_dump":
                return 200, json.dumps({"appliedIndex": self.applied, "state": self.state}, sort_keys=True)
            value = self.state.get(key)
        return (404, "") if value is None else (200, value)


def encode(data):
    return base64.b64encode(data).decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    app = None

    def do_GET(self):
        self.reply(*self.app.get(unquote(self.path[1:])))

    def do_PUT(self):
        value = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.reply(*self.app.put(unquote(self.path[1:]), value))

    def reply(self, status, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        self.socket.bind(self.server_address)  # HTTPServer's asks DNS for our name
        self.server_address = self.socket.getsockname()


def main(app):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Handler.app = app
    server = Server(("127.0.0.1", 0), Handler)
    print("listening on http://127.0.0.1:%d" % server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        app.run()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)


if __name__ == "__main__":
    main(App())
