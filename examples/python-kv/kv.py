"""A replicated key-value server: plain Python, no library, beside an Outrigger sidecar.

The idea: a write is not done here, it is *proposed*. The sidecar replicates it and gives it back, on every node in the same
order, and only then `execute` changes the state. The rest is one socket and one HTTP server; README.md has its requests.

The sidecar speaks JSON lines (docs/protocol.md): one frame per line, {"name": {...}}, bytes in base64.
Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (or the first argument; default: any free port).
"""
import base64
import hashlib
import itertools
import json
import os
import queue
import signal
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


CHECK_EVERY = 100  # at indexes that are multiples of this, every copy says what its state is like
FORMAT = "kv-json-1"  # of snapshots: one JSON object, the same bytes in every language
CHUNK = 256 * 1024  # bytes of a snapshot in one frame, the most that a sidecar takes


class Refused(Exception):
    """The sidecar said no. `definite`: it did not and will not happen. Otherwise it may still happen, or has."""

    def __init__(self, code, definite, message):
        super().__init__(message)
        self.code, self.definite = code, definite


class Replica:
    """The state, and the one connection to the sidecar that all requests share."""

    snapshots = "BLOB"  # we can hand over our state, and take over another copy's

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()  # guards all that start_over() sets
        self.start_over()
        self.sending = threading.Lock()  # guards the next three lines, and keeps frames whole on the socket
        self.connection = None
        self.largest = 0  # bytes that a command may have; 0 where the sidecar has not said so
        self.waiting = {}  # number of an open request -> where its answer goes
        self.numbers = itertools.count(1)
        self.wanted = None  # the index that takeSnapshot named, until we have applied it
        self.shipping = threading.Lock()  # one snapshot after the other

    def start_over(self, state={}, applied=0):
        self.state, self.applied, self.hash = dict(state), applied, None
        self.sum, self.checked, self.check = sum(mark(*item) for item in state.items()), applied, None

    def execute(self, command):
        """Changes the state. The same command in the same state MUST do the same on every node: so no clock, no
        randomness, no files; and a command that makes no sense is answered, never a crash: it is in the log for good."""
        try:
            request = strings(command)
            operation, key, value = request["op"], request["key"], request.get("value", "")
        except (ValueError, KeyError, RecursionError):
            return {"error": "not a command of this app"}
        if operation not in ("put", "delete"):
            return {"error": "not a command of this app"}
        existed = key in self.state
        self.sum -= mark(key, self.state.get(key))
        if operation == "put":
            self.state[key] = value
        else:
            self.state.pop(key, None)
        self.sum += mark(key, self.state.get(key))
        return {"existed": existed}

    def look(self, index):
        """Everything up to `index` is applied, and nothing later. The sidecars compare what the copies say of their state at
        the same indexes: a copy that did something else than the others is found out, and told APP_DIVERGED."""
        if index - index % CHECK_EVERY > self.checked:
            self.checked = index - index % CHECK_EVERY
            digest = (self.sum % 2**128).to_bytes(16, "big")
            self.check = {"index": self.checked, "hash": base64.b64encode(digest).decode()}

    def apply(self, batch):
        """A stretch of the committed log. One acknowledgement for all of it keeps this fast; `through` also covers
        entries that are not ours to see. Index and hash say where we are when we introduce ourselves again."""
        results = []
        with self.lock:
            for entry in batch.get("entries", ()):
                self.look(int(entry["index"]) - 1)
                answer = self.execute(base64.b64decode(entry.get("command", "")))
                results.append({"index": entry["index"], "result": encode(answer)})
            self.applied, self.hash = int(batch["through"]), batch["hash"]
            self.look(self.applied)
            check, self.check = {} if self.check is None else {"stateHash": self.check}, None
        self.send(line("applied", through=self.applied, results=results, **check))
        self.freeze()

    def send(self, frame):
        with self.sending:
            self.connection.sendall(frame)

    def freeze(self):
        """Copies the state for a snapshot, once it is as new as was asked for. Only what was acknowledged may be in it, so this
        comes after `applied`; and it is sent by a thread of its own, so entries go on meanwhile."""
        if self.wanted is not None and self.applied >= self.wanted:
            self.wanted = None
            frozen = self.connection, self.applied, dict(self.state)
            threading.Thread(target=self.ship, args=frozen, daemon=True).start()

    def ship(self, connection, index, state):
        def send(name, **body):
            with self.sending:  # chunk by chunk, so that other frames get their turn
                connection.sendall(line(name, **body))

        whole = hashlib.sha256()
        with self.shipping:
            try:
                send("snapshotBegin", index=index, format=FORMAT)
                for data in chunks(state):
                    whole.update(data)
                    send("snapshotChunk", data=base64.b64encode(data).decode())
                send("snapshotEnd", sha256=base64.b64encode(whole.digest()).decode())
            except OSError:
                pass  # the connection is gone, and with it whoever asked

    def restore(self, begin, data, end):
        """Takes over a state that another copy has sent, all of it or nothing: until here ours was untouched."""
        try:
            if begin["format"] != FORMAT:
                raise ValueError("unknown format " + begin["format"])
            if hashlib.sha256(data).digest() != base64.b64decode(end["sha256"]):
                raise ValueError("the bytes do not have their sha256")
            state = strings(bytes(data))
        except (ValueError, RecursionError) as error:
            return self.send(line("restoreRefused", reason=str(error)))
        with self.lock:
            self.start_over(state, int(begin["index"]))  # and no hash: the next `entries` bring one
        self.send(line("restored", index=begin["index"]))

    def follow(self):
        """Stays connected for ever. The state outlives the connection: after a sidecar restart we ask only for what
        came since. (Had the *app* restarted, `applied` would be 0 and the sidecar would replay the whole log.)"""
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                    connection.connect(self.path)
                    self.serve(connection)
            except (OSError, ValueError, KeyError):
                pass  # not there (yet, or any more), or gone in the middle of a line: try again
            # Whoever waits will never be answered, and cannot know whether the sidecar got the request: indefinite.
            with self.sending:
                self.connection, waiting, self.waiting = None, self.waiting, {}
            for answer in waiting.values():
                answer.put(Refused("SIDECAR_LOST", False, "the connection to the sidecar broke"))
            time.sleep(0.05)

    def serve(self, connection):
        machine = {"appliedIndex": self.applied, "snapshots": self.snapshots}
        if self.hash is not None:
            machine["appliedHash"] = self.hash
        self.wanted, begin, data = None, {}, bytearray()
        connection.sendall(line("hello", protocol=1, app="python-kv", stateMachine=machine))
        for frame in connection.makefile("rb"):
            ((name, body),) = json.loads(frame).items()
            if name == "entries":
                self.apply(body)
            elif name in ("proposed", "readReady"):
                self.answer(body["id"], body)
            elif name == "error":
                self.refused(body)
            elif name == "welcome":
                with self.sending:
                    self.largest = int(body.get("limits", {}).get("commandBytes", 0))
                    self.connection = connection  # from here on requests may use it
            elif name == "takeSnapshot":
                self.wanted = int(body["index"])
                self.freeze()
            elif name == "restoreBegin":
                begin, data = body, bytearray()
            elif name == "restoreChunk":
                data += base64.b64decode(body["data"])
            elif name == "restoreEnd":
                self.restore(begin, data, body)
                begin, data = {}, bytearray()
            elif name == "goodbye":
                if body.get("reason") != "SUPERSEDED":
                    return  # and say hello again; so do we after RESTORE, to be given a snapshot
                print("another copy of this app took over", file=sys.stderr, flush=True)
                os._exit(1)  # two copies that push each other out would never end

    def refused(self, body):
        if body.get("id"):
            return self.answer(body["id"], Refused(body["code"], body.get("definite", False), body.get("message", "")))
        print("sidecar: %s: %s" % (body["code"], body.get("message", "")), file=sys.stderr, flush=True)
        if body["code"] in ("APP_AHEAD", "APP_DIVERGED"):
            with self.lock:  # our state is not this log's; it is only in memory, so starting over costs nothing
                self.start_over()

    def answer(self, number, body):
        waiter = self.waiting.pop(int(number), None)
        if waiter is not None:
            waiter.put(body)

    def ask(self, name, **fields):
        """Sends one request and waits for its answer; other threads do the same at the same time on the same socket."""
        answer = queue.SimpleQueue()
        with self.sending:
            if self.connection is None:
                raise Refused("SIDECAR_ABSENT", True, "not connected to the sidecar")
            number = next(self.numbers)
            self.waiting[number] = answer
            try:
                self.connection.sendall(line(name, id=number, **fields))
            except OSError:
                pass  # follow() notices it as well, and answers everybody who waits
        try:
            body = answer.get(timeout=20)
        except queue.Empty:
            self.waiting.pop(number, None)
            body = Refused("TIMEOUT", False, "no answer from the sidecar for 20 s")
        if isinstance(body, Refused):
            raise body
        return body

    def propose(self, **command):
        """Returns when it is on a majority of disks and applied here: the index, and what execute() answered."""
        data = json.dumps(command).encode()
        if 0 < self.largest < len(data):  # one too large for a frame would cost the connection, with all that is open
            raise Refused("TOO_LARGE", True, "the command has %d bytes, over the limit of %d" % (len(data), self.largest))
        done = self.ask("propose", command=base64.b64encode(data).decode(), wait="APPLIED")
        return {"index": int(done["index"]), **json.loads(base64.b64decode(done["result"]))}


def mark(key, value):
    """What one entry of the state adds to the sum over all of them, which costs the same however large the state is."""
    if value is None:
        return 0
    return int.from_bytes(hashlib.sha256(json.dumps([key, value]).encode()).digest()[:16], "big")


def strings(data):
    """Reads a JSON object whose members are all strings. So strict because copies in other languages must refuse the same:
    parsers differ in what they make of numbers, of half a surrogate pair, and of anything that is not UTF-8."""

    def members(pairs):
        if not all(isinstance(value, str) for _, value in pairs):
            raise ValueError("a member is not a string")
        return dict(pairs)

    value = json.loads(data.decode(), object_pairs_hook=members)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    "".join([*value, *value.values()]).encode()  # half a surrogate pair cannot be encoded
    return value


def chunks(state):
    """The bytes of json.dumps(state, sort_keys=True), made a piece at a time."""
    data = bytearray(b"{")
    for at, key in enumerate(sorted(state)):
        data += ("%s%s: %s" % (", " if at else "", json.dumps(key), json.dumps(state[key]))).encode()
        while len(data) >= CHUNK:
            yield bytes(data[:CHUNK])
            del data[:CHUNK]
    yield bytes(data + b"}")  # it has room: less than a chunk was left


def encode(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def line(name, **body):
    return json.dumps({name: body}).encode() + b"\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    replica = None

    def do_GET(self):
        self.handled(self.get)

    def do_PUT(self):
        self.handled(self.put)

    def do_DELETE(self):
        self.handled(lambda key, _: self.reply(200, self.replica.propose(op="delete", key=key)))

    def get(self, key, query):
        replica = self.replica
        if key == "_dump":
            with replica.lock:
                body = json.dumps({"appliedIndex": replica.applied, "state": replica.state}, sort_keys=True)
            return self.reply(200, body)
        fields = {name: values[0] for name, values in parse_qs(query).items() if name in ("consistency", "index")}
        replica.ask("read", **fields)  # back when our state is as fresh as was asked for
        with replica.lock:
            value, applied = replica.state.get(key), replica.applied
        self.reply(404 if value is None else 200, value or "", {"X-Index": applied})

    def put(self, key, _):
        try:
            value = self.body.decode()
        except UnicodeDecodeError:
            raise Refused("BAD_REQUEST", True, "values are UTF-8 text")
        self.reply(200, self.replica.propose(op="put", key=key, value=value))

    def handled(self, method):
        """A definite refusal may simply be tried again (503). After an indefinite one (504) it may have happened."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        try:
            method(unquote(url.path[1:]), url.query)
        except Refused as no:
            status = {"BAD_REQUEST": 400, "TOO_LARGE": 413}.get(no.code, 503) if no.definite else 504
            again = {"Retry-After": 1} if status == 503 else {}
            self.reply(status, {"code": no.code, "definite": no.definite, "message": str(no)}, again)

    def reply(self, status, body, headers={}):
        if isinstance(body, dict):
            headers = {"Content-Type": "application/json", **headers}
            if "index" in body:
                headers["X-Index"] = body["index"]
            body = json.dumps(body)
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's asks DNS for our name, which can take seconds


def main():
    if "OUTRIGGER_SOCKET" not in os.environ:
        sys.exit("set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- python3 kv.py`")
    port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("KV_PORT", "0"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Handler.replica = Replica(os.environ["OUTRIGGER_SOCKET"])
    threading.Thread(target=Handler.replica.follow, daemon=True).start()
    server = Server(("127.0.0.1", port), Handler)
    print("listening on http://127.0.0.1:%d" % server.server_address[1], flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
