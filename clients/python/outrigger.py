"""A client of an Outrigger cluster: proposals, reads and sessions over the app socket of any of its nodes, or of a gateway.

    import outrigger

    with outrigger.connect(["/run/n1.sock", "/run/n2.sock", "/run/n3.sock"]) as cluster:
        with cluster.session(ttl=60) as session:
            print(session.propose(b"add 1").result)   # takes effect once, whatever dies meanwhile
        cluster.read_monotonic()                      # the app beside cluster.node may be read now

Python 3.8 or newer, standard library only, one file: copy it. It may be used from any number of threads. Times are seconds.
README.md has the rules; docs/protocol.md has the frames.

How it is built: everything below `_Engine` lives in one background thread, which owns the sockets and the timers; callers hand it
a function and wait for a Future. So there is one lock, around what is counted on both sides.
"""

import base64
import collections
import concurrent.futures
import dataclasses
import heapq
import json
import os
import random
import re
import selectors
import socket
import threading
import time
from typing import Any, Callable, Deque, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple, TypeVar, Union, cast

__all__ = [
    "connect", "Client", "Session", "Limits", "Proposed", "ReadIndex",
    "OutriggerError", "Definite", "Indefinite", "SessionLost",
]  # fmt: skip

Command = Union[bytes, bytearray, memoryview, str]
Address = Union[str, Tuple[str, Optional[str]]]
Fields = Dict[str, Any]
_T = TypeVar("_T")


class OutriggerError(Exception):
    """A call failed. `definite`: it did not and will not happen. Otherwise it may have happened, or may still happen.

    `code` is one of the protocol, or one of the client's own: NOT_SENT, CONNECTION_LOST, CLOSED, WRONG_CLUSTER. New ones may
    come: branch on the class."""

    def __init__(
        self,
        code: str,
        definite: bool,
        message: str,
        leader: Optional[str] = None,
        retry_after_ms: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.definite = definite
        self.message = message
        self.leader = leader
        self.retry_after_ms = retry_after_ms


class Definite(OutriggerError):
    """It did not and will not happen. Safe to call again."""


class Indefinite(OutriggerError):
    """It may have happened, or may still happen. Only a session makes calling again safe."""


class SessionLost(OutriggerError):
    """The session is gone, and with it the knowledge of what it did not answer: `definite` says whether *this* command surely
    did not happen. Whatever is done next needs a new session."""


def _definite(code: str, message: str) -> Definite:
    return Definite(code, True, message)


def _indefinite(code: str, message: str) -> Indefinite:
    return Indefinite(code, False, message)


@dataclasses.dataclass(frozen=True)
class Proposed:
    """What a command did."""

    index: int
    term: int
    result: Optional[bytes]  # what the app of the node answered; None where it gave nothing, or with COMMITTED
    duplicate: bool  # an earlier try took effect: this is its answer
    result_lost: bool  # it took effect, and the node no longer has its result
    node: str  # the node that answered


@dataclasses.dataclass(frozen=True)
class ReadIndex:
    """The app beside `node` has applied at least `index`, and may be read now."""

    index: int
    node: str


class Limits(NamedTuple):
    """Every limit, by name, with what happens at it. Times are seconds, sizes bytes."""

    # A whole call, with all its tries, where the caller names no time. Then: Indefinite where it may have happened, else Definite.
    call_s: float = 10.0
    # The longest that a caller may name. Longer ones are clipped.
    call_max_s: float = 86400.0
    # One try of what may be tried again. Then it counts as unanswered, and is tried again.
    try_s: float = 3.0
    # How much longer than a try the node has to say TIMEOUT by itself, which tells us that it is there.
    try_grace_s: float = 0.5
    # From dialling a node to its welcome. Over it: the next one is dialled.
    dial_s: float = 2.0
    # Pause before the next try or node after failures in a row: doubled from the first to the last, less up to half by chance.
    backoff_min_s: float = 0.05
    backoff_max_s: float = 1.0
    # A node may ask us to try again later than this. We come back after this long.
    retry_after_max_s: float = 5.0
    # A node that owes us answers and was silent for so long is asked for a sign of life, and then given up.
    ping_s: float = 1.0
    silent_s: float = 3.0
    # Answers in a row by which a node says that it cannot (OVERLOADED, TIMEOUT, LEADER_LOST, INTERNAL). Then we move on.
    failures_to_move: int = 3
    # A node that says STOP for longer than this is left, where there is another.
    stop_s: float = 5.0
    # Requests on the way on one connection (less where the node says so). What is beyond it waits.
    in_flight: int = 256
    # While the node says SLOW_DOWN: one in so many of them may be proposals.
    slow_down: int = 8
    # Commands of one session that have a number and no answer. What is beyond it waits for its number.
    session_in_flight: int = 64
    # Calls that have not ended, and the bytes of their commands. Over it: Definite OVERLOADED, by the client itself.
    calls: int = 4096
    calls_bytes: int = 64 * 1024 * 1024
    # Bytes that the node has not taken from us yet. Over it: what follows waits.
    output_bytes: int = 1024 * 1024
    # One frame from a node. Over it: the connection is given up.
    frame_bytes: int = 8 * 1024 * 1024
    # Connections that were left and still owe answers. Over it: the oldest one is closed, its answers are lost.
    left_links: int = 4
    # How long a session lives without a sign of us, where the caller names no time; and the longest a cluster grants.
    ttl_s: float = 60.0
    ttl_max_s: float = 86400.0
    # A silent session is kept alive this many times in its time to live.
    keeps_per_ttl: int = 3


def connect(
    addresses: Sequence[Address],
    timeout: Optional[float] = None,
    app: str = "outrigger-client",
    shuffle: bool = True,
    limits: Limits = Limits(),
) -> "Client":
    """Connects to one of these nodes: paths of app sockets, or (`tcp://HOST:PORT`, token). They are tried in an order that is
    shuffled once, or with `shuffle=False` in the one given. Raises Definite when none welcomes us in time."""
    client = Client(addresses, app, shuffle, limits)
    try:
        client.ready(timeout)
    except BaseException:
        client.close()
        raise
    return client


class Client:
    """Use `connect`. Closing it ends everything at once: calls that wait fail, sessions end when their time is over."""

    def __init__(
        self,
        addresses: Sequence[Address],
        app: str = "outrigger-client",
        shuffle: bool = True,
        limits: Limits = Limits(),
    ) -> None:
        if not addresses or isinstance(addresses, str):
            raise _definite("BAD_REQUEST", "a client needs a list with the address of a node")
        places = [_Place.of(address) for address in addresses]
        if shuffle:
            random.shuffle(places)
        self._limits = limits
        self._engine = _Engine()
        self._dispatcher = _Dispatcher(self._engine, places, app, limits)
        self._engine.start()

    @property
    def node(self) -> Optional[str]:
        """The node that requests go to now."""
        return self._dispatcher.node

    @property
    def leader(self) -> Optional[str]:
        """Who leads, as far as this client was told."""
        return self._dispatcher.leader

    @property
    def highest_index(self) -> int:
        """The highest index of any answer so far: hand it to whoever must see what this client has seen."""
        return self._dispatcher.highest_index

    def ready(self, timeout: Optional[float] = None) -> None:
        """Returns when a node has welcomed us."""
        self._ask(None, "pong", timeout, lambda _: {})

    def propose(self, command: Command, timeout: Optional[float] = None, wait: str = "APPLIED") -> Proposed:
        """Proposes a command, once. Raises Definite when it did not and will not happen, Indefinite when nobody knows: then this
        client does not try again, since it could happen twice. A session can."""
        data = _bytes(command)
        fields: Fields = {"command": _base64(data)}
        if wait != "APPLIED":
            fields["wait"] = wait
        body, node = self._ask("propose", "proposed", timeout, lambda left: dict(fields, timeoutMs=_ms(left)), len(data))
        return _proposed(body, node)

    def read(
        self,
        consistency: Optional[str] = None,
        at_least: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> ReadIndex:
        """Waits until the app beside the node that answers may be read with this consistency: LINEARIZABLE, or AT_LEAST where an
        index is given (of any earlier answer, of anybody). Tried again, at any node, until the deadline."""
        asked = consistency or ("LINEARIZABLE" if at_least is None else "AT_LEAST")
        if asked != "AT_LEAST" and at_least is not None:
            raise _definite("BAD_REQUEST", "a read with %s takes no index: say AT_LEAST" % asked)
        fields: Fields = {"consistency": asked}
        if asked == "AT_LEAST":
            fields["index"] = self.highest_index if at_least is None else at_least
        body, node = self._ask("read", "readReady", timeout, lambda left: dict(fields, timeoutMs=_ms(left)))
        return ReadIndex(body["index"], node)

    def read_monotonic(self, timeout: Optional[float] = None) -> ReadIndex:
        """A read that sees everything this client has seen, at whichever node."""
        return self.read("AT_LEAST", timeout=timeout)

    def session(self, ttl: Optional[float] = None, timeout: Optional[float] = None) -> "Session":
        """Opens a session that ends by itself when nobody kept it alive for `ttl`. It is kept alive until it is closed."""
        seconds = min(self._limits.ttl_s if ttl is None else ttl, self._limits.ttl_max_s)
        body, _ = self._ask("openSession", "sessionOpened", timeout, lambda _: {"ttlMs": _ms(seconds)})
        return Session(body["session"], seconds, self._dispatcher)

    def close(self) -> None:
        self._engine.stop(self._dispatcher.close)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _ask(
        self,
        request: Optional[str],
        expected: str,
        timeout: Optional[float],
        fields: Callable[[float], Fields],
        size: int = 0,
    ) -> Tuple[Fields, str]:
        future: "concurrent.futures.Future[Tuple[Fields, str]]" = concurrent.futures.Future()

        def done(outcome: "_Outcome", node: str) -> None:
            if isinstance(outcome, OutriggerError):
                future.set_exception(outcome)
            elif outcome[0] == expected:
                future.set_result((outcome[1], node))
            else:
                future.set_exception(_indefinite("INTERNAL", "the node answered %s with %s" % (request, outcome[0])))

        seconds = self._dispatcher.call_s(timeout)
        self._dispatcher.submit(_Call(request, fields, request == "propose", seconds, size, done))
        return self._engine.wait(future)


class Session:
    """Each of its commands takes effect once, in the order in which they were proposed, however often it has to be sent and
    whichever node takes it. Use `Client.session`.

    MUST: send a command again only under its own number; hold the command and the number of a call that ended Indefinite, so that
    it is settled before anything later is; say SessionLost when nobody can know any more."""

    def __init__(self, session: int, ttl: float, dispatcher: "_Dispatcher") -> None:
        self.id = session
        self.ttl = ttl
        self._dispatcher = dispatcher
        self._engine = dispatcher.engine
        self._core = _SessionCore(session, ttl, dispatcher)
        self._engine.post(self._core.begin)

    def propose(self, command: Command, timeout: Optional[float] = None, wait: str = "APPLIED") -> Proposed:
        """Proposes the next command, and returns what it did. It is tried again, at any node, until it is answered or the time is
        over. Raises Definite (it did not and will not happen), Indefinite (nobody knows yet: the session holds it, and it takes
        effect before whatever is proposed next) or SessionLost."""
        return self._engine.wait(self.submit(command, timeout, wait))

    def submit(
        self, command: Command, timeout: Optional[float] = None, wait: str = "APPLIED"
    ) -> "concurrent.futures.Future[Proposed]":
        """The same without waiting, for several in flight: the answer comes in a Future. (What is called back from that Future runs
        in the client's own thread, and must not wait there.)"""
        return self._core.submit(_bytes(command), timeout, wait)

    def close(self, timeout: Optional[float] = None) -> None:
        """Ends the session, after the calls that wait. What it held for calls that ended Indefinite stays unknown. Raises when no
        node could be told in time: then it ends when its time to live is over."""
        future: "concurrent.futures.Future[None]" = concurrent.futures.Future()
        try:
            self._engine.post(lambda: self._core.close(timeout, future))
        except Definite:
            return  # the client is closed, and the session with it
        self._engine.wait(future)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        try:
            self.close()
        except OutriggerError:
            if kind is None:
                raise  # else the error that is under way says more


# ---------------------------------------------------------------- the thread


class _Timer:
    def __init__(self, call: Callable[[], None], engine: "_Engine") -> None:
        self.call: Optional[Callable[[], None]] = call
        self._engine = engine

    def cancel(self) -> None:
        if self.call is not None:
            self.call = None
            self._engine.timer_cancelled()


class _Engine:
    """One thread with sockets, timers, and functions that other threads hand it. Whatever it calls must not wait."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._posted: Deque[Callable[[], None]] = collections.deque()
        self._timers: List[Tuple[float, int, _Timer]] = []
        self._timer_numbers = 0
        self._cancelled = 0
        self.crashed: Callable[[BaseException], None] = lambda _: None
        self._stopping = False
        self._lock = threading.Lock()  # guards the next two lines
        self._ended = False
        self._asleep = False
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self.selector.register(self._ear, selectors.EVENT_READ, lambda _: self._drain())
        self._thread = threading.Thread(target=self._run, name="outrigger-client", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Has the thread call this, after what was posted before. For any thread."""
        with self._lock:
            if self._ended:
                raise _definite("CLOSED", "the client was closed")
            self._posted.append(call)
            if self._asleep:
                self._asleep = False
                self._mouth.send(b"!")

    def wait(self, future: "concurrent.futures.Future[_T]") -> _T:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a callback of an Outrigger client must not wait for another call of it")
        return future.result()

    def stop(self, last: Callable[[], None]) -> None:
        """Ends the thread once it did what was posted, and this; does nothing when it has ended."""

        def stop() -> None:
            last()
            self._stopping = True

        try:
            self.post(stop)
        except Definite:
            return
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def later(self, seconds: float, call: Callable[[], None]) -> _Timer:
        timer = _Timer(call, self)
        self._timer_numbers += 1
        heapq.heappush(self._timers, (time.monotonic() + max(seconds, 0), self._timer_numbers, timer))
        return timer

    def timer_cancelled(self) -> None:
        """Most calls end long before their deadline: what they leave behind is swept now and then."""
        self._cancelled += 1
        if self._cancelled > 1000 and 2 * self._cancelled > len(self._timers):
            self._timers = [item for item in self._timers if item[2].call is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except BaseException as error:
            self.crashed(error)
            raise
        finally:
            with self._lock:
                self._ended = True
            while self._posted:
                self._posted.popleft()()  # nobody may wait for ever: each is told that the client is closed
            self.selector.close()
            self._ear.close()
            self._mouth.close()

    def _turn(self) -> None:
        with self._lock:
            self._asleep = not self._posted
        ready = self.selector.select(self._sleep_s() if self._asleep else 0)
        with self._lock:
            self._asleep = False
        # What came is read before a timer may say that it did not come.
        for key, events in ready:
            key.data(events)
        while self._posted:
            self._posted.popleft()()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            call, timer.call = timer.call, None
            if call is not None:
                call()

    def _sleep_s(self) -> Optional[float]:
        return max(self._timers[0][0] - time.monotonic(), 0) if self._timers else None

    def _drain(self) -> None:
        try:
            self._ear.recv(4096)
        except BlockingIOError:
            pass


# ---------------------------------------------------------------- one connection

# What answers a request: the name of the frame and its fields, or an error.
_Outcome = Union[Tuple[str, Fields], OutriggerError]


class _Place(NamedTuple):
    name: str  # as the caller wrote it; never has the token
    path: Optional[str]
    host: str
    port: int
    token: Optional[str]

    @staticmethod
    def of(given: Address) -> "_Place":
        address, token = (given, None) if isinstance(given, str) else given
        if "://" not in address:
            if not address or "\0" in address:
                raise _definite("BAD_REQUEST", "an address is empty, or no path")
            if not hasattr(socket, "AF_UNIX"):
                raise _definite("UNSUPPORTED", "this Python has no Unix sockets: use tcp://HOST:PORT")
            return _Place(address, address, "", 0, token)
        match = re.match(r"tcp://(?:\[([0-9a-fA-F:.%]+)\]|([^:/\s@]+)):(\d{1,5})\Z", address)
        if match is None or not 1 <= int(match.group(3)) <= 65535:
            shown = re.sub(r"//[^/]*@", "//...@", address)  # what stands there may be a token
            raise _definite("BAD_REQUEST", "an address is the path of a socket or tcp://HOST:PORT, not " + shown)
        return _Place(address, None, match.group(1) or match.group(2), int(match.group(3)), token)

    def dial(self) -> socket.socket:
        """A socket that is on its way there. Raises OSError."""
        if self.path is not None:
            family, target = socket.AF_UNIX, self.path  # type: Any, Any
        else:
            family, _, _, _, target = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            if self.path is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                sock.connect(target)
            except BlockingIOError as error:
                # A Unix socket says so when its queue is full, and does not go on by itself.
                if self.path is not None:
                    raise OSError(error.errno, "it takes no more connections") from None
            return sock
        except OSError:
            sock.close()
            raise


class _Request(NamedTuple):
    done: Callable[[_Outcome], None]
    give_up: Optional[_Timer]


class _Link:
    """One connection to one node: hello, then requests with a number each, until it is lost or left.

    MUST: end every request exactly once, with its answer or an error; say `ended` exactly once, after the last request; call it
    lost only after the node was given the chance to answer a ping."""

    def __init__(self, route: "_Route", place: _Place, app: str) -> None:
        self.place = place
        self.welcome: Optional[Fields] = None
        self.destroyed = False
        self._route = route
        self._engine = route.engine
        self._limits = route.limits
        self._open: Dict[int, _Request] = {}
        self._last_id = 0
        self._heard_at = 0.0
        self._watch: Optional[_Timer] = None
        self._left = False
        self._goodbye_said = False
        self._why: Optional[OutriggerError] = None  # why it ends; the first reason stays
        self._in = bytearray()
        self._scanned = 0
        self._out = bytearray()
        self._events = 0
        self._socket: Optional[socket.socket] = None
        too_late = "%s did not welcome us within %g s" % (place.name, self._limits.dial_s)
        self._dial_timer = self._engine.later(self._limits.dial_s, lambda: self.close(_definite("NOT_SENT", too_late)))
        try:
            self._socket = place.dial()
        except (OSError, UnicodeError) as error:
            self.close(self._lost(str(error)))
            return
        self._listen_for(selectors.EVENT_READ | selectors.EVENT_WRITE)
        hello: Fields = {"protocol": 1, "app": app, "group": ""}
        if place.token is not None:
            hello["token"] = place.token
        self._out += _line("hello", hello)

    @property
    def node(self) -> str:
        return cast(str, self.welcome["node"]) if self.welcome is not None else ""

    @property
    def open(self) -> int:
        return len(self._open)

    @property
    def choked(self) -> bool:
        """The node does not take bytes as fast as we have them, or not any more."""
        return self.destroyed or len(self._out) > self._limits.output_bytes

    def request(self, name: str, fields: Fields, give_up_s: Optional[float], done: Callable[[_Outcome], None]) -> int:
        """Sends a request. After `give_up_s` without an answer it fails as an indefinite TIMEOUT. Returns its number."""
        number = self._next_id()
        if not self._open:
            self._heard_at = time.monotonic()
        if self._watch is None:
            self._look_later()
        give_up = None
        if give_up_s is not None:
            late = _indefinite("TIMEOUT", "%s did not answer in time" % self.place.name)
            give_up = self._engine.later(give_up_s, lambda: self._finish(number, late))
        self._open[number] = _Request(done, give_up)
        self._write(_line(name, dict(fields, id=number)))
        return number

    def forget(self, number: int) -> None:
        """Whoever waited for this request does not any more."""
        request = self._open.pop(number, None)
        if request is not None and request.give_up is not None:
            request.give_up.cancel()
        self._end_when_done()

    def leave(self) -> None:
        """Nothing more is sent here: ends as soon as the open requests are answered."""
        self._left = True
        self._end_when_done()

    def close(self, why: OutriggerError) -> None:
        self._because(why)
        if self.destroyed:
            return
        self.destroyed = True
        if self._socket is not None:
            if self._events:
                self._engine.selector.unregister(self._socket)
            self._socket.close()
        # Not at once: whoever closes it is not done yet.
        self._engine.later(0, self._end)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _because(self, why: OutriggerError) -> None:
        if self._why is None:
            self._why = why

    def _lost(self, why: str) -> OutriggerError:
        text = "%s cannot be reached" if self.welcome is None else "the connection to %s was lost"
        return _indefinite("CONNECTION_LOST", "%s: %s" % (text % self.place.name, why))

    # bytes

    def _listen_for(self, events: int) -> None:
        if events == self._events or self._socket is None or self.destroyed:
            return
        if self._events:
            self._engine.selector.modify(self._socket, events, self._ready)
        else:
            self._engine.selector.register(self._socket, events, self._ready)
        self._events = events

    def _write(self, data: bytes) -> None:
        """Leaves at the end of this turn, with whatever else is written in it."""
        if not self.destroyed:
            self._out += data
            self._listen_for(selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _ready(self, events: int) -> None:
        assert self._socket is not None
        try:
            if events & selectors.EVENT_WRITE and not self.destroyed:
                self._flush(self._socket)
            if events & selectors.EVENT_READ and not self.destroyed:
                data = self._socket.recv(262144)
                if data:
                    self._take(data)
                else:
                    self.close(self._lost("the node closed it"))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.close(self._lost(error.strerror or str(error)))
        except _BrokenFraming as error:
            self.close(self._lost(str(error)))

    def _flush(self, sock: socket.socket) -> None:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        was_choked = self.choked
        if self._out:
            del self._out[: sock.send(self._out)]
        if not self._out:
            self._listen_for(selectors.EVENT_READ)
            if self._goodbye_said:
                self.close(self._lost("we left it"))
        if was_choked and not self.choked:
            self._route.pump()

    def _take(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._in += data
        start = 0
        end = self._in.find(b"\n", self._scanned)
        while end != -1 and not self.destroyed:
            if end - start > self._limits.frame_bytes:
                break
            line = self._in[start:end].strip()
            start = end + 1
            frame = _read_frame(line) if line else None
            if frame is not None:
                self._frame(*frame)
            end = self._in.find(b"\n", start)
        del self._in[:start]
        self._scanned = len(self._in)
        if self._scanned > self._limits.frame_bytes:
            raise _BrokenFraming("the node sent a line of more than %d bytes" % self._limits.frame_bytes)

    # frames

    def _frame(self, name: str, body: Fields) -> None:
        if name == "welcome":
            if self.welcome is None:
                self._dial_timer.cancel()
                self.welcome = body
                self._route.welcomed(self)
        elif name == "error":
            error = body["error"]
            if body["id"] == 0:
                self._because(error)  # without a number it says why the connection ends
            else:
                self._finish(body["id"], error)
        elif name == "goodbye":
            self._because(self._lost("it said goodbye: %s" % body["reason"]))
            self._route.leave(self)
        elif name in ("roleChanged", "pressure", "sessionExpired"):
            self._route.news(self, name, body)
        else:
            self._finish(body["id"], (name, body))

    def _finish(self, number: int, outcome: _Outcome) -> None:
        request = self._open.pop(number, None)
        if request is None:
            return
        if request.give_up is not None:
            request.give_up.cancel()
        request.done(outcome)
        self._route.pump()
        self._end_when_done()

    def _end_when_done(self) -> None:
        if self._left and not self._open and not self._goodbye_said:
            self._goodbye_said = True
            self._write(_line("goodbye", {}))

    def _end(self) -> None:
        self._dial_timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        why = self._why or self._lost("it ended")
        requests, self._open = self._open, {}
        for request in requests.values():
            if request.give_up is not None:
                request.give_up.cancel()
            request.done(_indefinite("CONNECTION_LOST", why.message))
        self._route.ended(self, why)

    # signs of life

    def _look_later(self) -> None:
        self._watch = self._engine.later(min(self._limits.ping_s, self._limits.silent_s), self._look)

    def _look(self) -> None:
        self._watch = None
        if self.destroyed or not self._open:
            return
        silent_s = time.monotonic() - self._heard_at
        if silent_s >= self._limits.silent_s:
            return self.close(self._lost("it said nothing for %.1f s" % silent_s))
        if silent_s >= self._limits.ping_s:
            self._write(_line("ping", {"id": self._next_id()}))
        self._look_later()


# ---------------------------------------------------------------- frames


class _BrokenFraming(Exception):
    """The stream cannot be followed any further."""


def _bytes(command: Command) -> bytes:
    return command.encode() if isinstance(command, str) else bytes(command)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _line(name: str, fields: Fields) -> bytes:
    return json.dumps({name: fields}, separators=(",", ":")).encode() + b"\n"


def _integer(value: Any) -> int:
    if isinstance(value, str) and re.match(r"\d{1,16}\Z", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _data(value: Any) -> bytes:
    return base64.b64decode(_text(value), validate=True)


def _level(value: Any) -> str:
    if value not in ("OK", "SLOW_DOWN", "STOP"):
        raise ValueError
    return _text(value)


def _object(value: Any) -> Fields:
    if not isinstance(value, dict):
        raise ValueError
    return value


# Each frame that a client gets, its fields, and what an absent one means. What is not here may be sent by newer nodes.
_FRAMES: Dict[str, Dict[str, Tuple[Callable[[Any], Any], Any]]] = {
    "welcome": {"cluster": (_text, ""), "node": (_text, ""), "leader": (_text, ""), "limits": (_object, {})},
    "proposed": {
        "id": (_integer, 0),
        "index": (_integer, 0),
        "term": (_integer, 0),
        "result": (_data, None),
        "duplicate": (_flag, False),
        "resultLost": (_flag, False),
    },
    "readReady": {"id": (_integer, 0), "index": (_integer, 0)},
    "sessionOpened": {"id": (_integer, 0), "session": (_integer, 0)},
    "sessionKept": {"id": (_integer, 0)},
    "sessionClosed": {"id": (_integer, 0)},
    "pong": {"id": (_integer, 0)},
    "roleChanged": {"leader": (_text, "")},
    "pressure": {"level": (_level, "OK")},
    "sessionExpired": {"session": (_integer, 0)},
    "goodbye": {"reason": (_text, "")},
    "error": {
        "id": (_integer, 0),
        "code": (_text, "INTERNAL"),
        "definite": (_flag, False),  # who does not say that nothing happened has not said it
        "message": (_text, ""),
        "leader": (_text, ""),
        "retryAfterMs": (_integer, None),
    },
}
_LIMITS: Dict[str, Tuple[Callable[[Any], Any], Any]] = {"commandBytes": (_integer, 0), "inFlight": (_integer, 0)}


def _read_frame(line: Union[bytes, bytearray]) -> Optional[Tuple[str, Fields]]:
    """None for a frame that is not for us to know."""
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        frame = None
    if not isinstance(frame, dict):
        raise _BrokenFraming("the node sent a line that is not a JSON object: is this an app socket?")
    if len(frame) != 1 or not isinstance(next(iter(frame.values())), dict):
        raise _BrokenFraming("the node sent a line that is not one frame")
    ((name, fields),) = frame.items()
    if name not in _FRAMES:
        return None
    body = _read_fields(name, fields, _FRAMES[name])
    if name == "welcome":
        body["limits"] = _read_fields("welcome.limits", body["limits"], _LIMITS)
    if name == "proposed" and body["index"] == 0:
        raise _BrokenFraming("the node sent proposed without index")
    if name == "error":
        kind = Definite if body["definite"] else Indefinite
        body["error"] = kind(body["code"], body["definite"], body["message"], body["leader"] or None, body["retryAfterMs"])
    return name, body


def _read_fields(name: str, given: Fields, plan: Dict[str, Tuple[Callable[[Any], Any], Any]]) -> Fields:
    body: Fields = {}
    for field, (read, absent) in plan.items():
        value = given.get(field)
        try:
            body[field] = absent if value is None else read(value)
        except ValueError:
            raise _BrokenFraming("the node sent %s with a bad %s" % (name, field)) from None
    return body


def _proposed(body: Fields, node: str) -> Proposed:
    return Proposed(body["index"], body["term"], body["result"], body["duplicate"], body["resultLost"], node)


# ---------------------------------------------------------------- which node


def _backoff_s(failures: int, limits: Limits) -> float:
    """From half of the doubled pause to all of it, so that clients that failed together do not come back together."""
    if failures <= 0:
        return 0.0
    full = min(limits.backoff_max_s, limits.backoff_min_s * 2.0 ** min(failures - 1, 30))
    return full * (0.5 + random.random() / 2)


class _Route:
    """Which node we talk to: one for as long as it can, then the next one.

    MUST: dial only while somebody waits for a connection, one node at a time, with a pause after failures; talk to nodes of one
    cluster only, or the indexes of one would be taken for those of another."""

    def __init__(self, dispatcher: "_Dispatcher", places: List[_Place], app: str) -> None:
        self.engine = dispatcher.engine
        self.limits = dispatcher.limits
        self.link: Optional[_Link] = None
        self.last_error: Optional[OutriggerError] = None
        self._dispatcher = dispatcher
        self._places = places
        self._app = app
        self._at = 0
        self._dialling: Optional[_Link] = None
        self._timer: Optional[_Timer] = None
        # Dials and connections that came to nothing since the last good answer, and refused hellos in a row.
        self._failures = 0
        self._refusals = 0
        self._not_before = 0.0
        self._cluster: Optional[str] = None
        self._left: Dict[_Link, None] = {}  # they owe answers yet; the oldest first

    @property
    def is_only_place(self) -> bool:
        return len(self._places) == 1

    def pump(self) -> None:
        self._dispatcher.pump()

    def want(self) -> None:
        """Sees to it that there will be a connection."""
        if self.link is not None or self._dialling is not None or self._timer is not None:
            return
        pause = self._not_before - time.monotonic()
        if pause > 0:
            self._timer = self.engine.later(pause, self._waited)
        else:
            self._dialling = _Link(self, self._places[self._at], self._app)

    def _waited(self) -> None:
        self._timer = None
        self.pump()

    def is_good(self) -> None:
        """A good answer came: this node can."""
        self._failures = 0

    def leave(self, link: _Link) -> None:
        """Sends nothing more to this node."""
        if link is not self.link:
            return
        self.link = None
        self._move_on()
        self._left[link] = None
        link.leave()
        if len(self._left) > self.limits.left_links:
            next(iter(self._left)).close(_definite("CLOSED", "too many connections were left"))
        self.pump()

    def close(self, why: OutriggerError) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for link in [self.link, self._dialling, *self._left]:
            if link is not None:
                link.close(why)

    def welcomed(self, link: _Link) -> None:
        assert link.welcome is not None
        cluster = link.welcome["cluster"]
        if self._cluster is None:
            self._cluster = cluster
        if cluster != self._cluster:
            text = "%s is node %s of cluster %s, not of %s"
            text %= (link.place.name, link.node, cluster, self._cluster)
            return link.close(_definite("WRONG_CLUSTER", text))
        self._refusals = 0
        self._dialling = None
        self.link = link
        self._dispatcher.connected(link)
        self.pump()

    def news(self, link: _Link, name: str, body: Fields) -> None:
        if link is self.link or name == "sessionExpired":
            self._dispatcher.heard(name, body)

    def ended(self, link: _Link, why: OutriggerError) -> None:
        if link in self._left:
            del self._left[link]
            return
        self.last_error = why
        if link is self._dialling:
            self._dialling = None
            # May the same node welcome us a moment later?
            passing = not why.definite or why.code in ("OVERLOADED", "NOT_SENT")
            self._refusals = 0 if passing else self._refusals + 1
        elif link is self.link:
            self.link = None
        else:
            return
        self._move_on()
        if self._refusals >= len(self._places):
            self._refusals = 0
            self._dispatcher.fail_waiting(why)
        self.pump()

    def _move_on(self) -> None:
        self._at = (self._at + 1) % len(self._places)
        # The first failure costs nothing: the next node is dialled at once.
        self._not_before = time.monotonic() + _backoff_s(self._failures, self.limits)
        self._failures += 1


# ---------------------------------------------------------------- calls


class _Call(NamedTuple):
    request: Optional[str]  # None: only waits for a connection
    fields: Callable[[float], Fields]  # with so much time left for it
    once: bool  # a proposal without a session: nobody could tell that it was done twice
    timeout_s: float
    size: int
    done: Callable[[_Outcome, str], None]  # called exactly once, with the node that answered


class _Waiting:
    def __init__(self, call: _Call) -> None:
        self.call = call
        self.deadline = time.monotonic() + call.timeout_s
        self.timer: Optional[_Timer] = None
        self.tries = 0
        self.refused: Optional[OutriggerError] = None  # the definite refusal of the last try
        self.on: Optional[Tuple[_Link, int]] = None  # where it is on its way
        self.ended = False


def _is_passing(error: OutriggerError) -> bool:
    """Surely not done, and worth another try by itself."""
    return error.code in ("OVERLOADED", "APP_ABSENT", "NO_SPACE") or error.retry_after_ms is not None


class _Dispatcher:
    """Gets requests to a node and their answers back: what waits, what is on the way, and what is tried again.

    MUST: try again only what is safe to try again: what was surely not done, and what changes nothing (or is of a session, which
    decides itself). End every call exactly once, at its deadline at the latest. Stay within its limits."""

    def __init__(self, engine: _Engine, places: List[_Place], app: str, limits: Limits) -> None:
        self.engine = engine
        self.limits = limits
        self.leader: Optional[str] = None
        self.highest_index = 0
        self._route = _Route(self, places, app)
        self._calls: Set[_Waiting] = set()  # all that have not ended
        self._proposals: Deque[_Waiting] = collections.deque()
        self._others: Deque[_Waiting] = collections.deque()
        self._sessions: Dict["_SessionCore", None] = {}  # whoever sent goes to the end
        self._command_bytes: Optional[int] = None  # the largest that the last node we met takes
        self._pressure = "OK"
        self._stop_timer: Optional[_Timer] = None  # runs while the node says STOP; then it has said so for too long
        self._stopped_long = False
        self._setbacks = 0  # failures in a row that the node answered with
        self._pumping = False
        self._closed: Optional[OutriggerError] = None
        self._lock = threading.Lock()  # guards the next line
        self._count, self._size = 0, 0
        engine.crashed = lambda error: self._close(
            "INTERNAL", "the client's thread failed: %s: %s" % (type(error).__name__, error)
        )

    @property
    def node(self) -> Optional[str]:
        link = self._route.link
        return link.node if link is not None else None

    def not_sent(self) -> OutriggerError:
        """What a call that was never sent fails with."""
        if self._route.link is None:
            last = self._route.last_error
            why = last.message if last is not None else "no node was reached"
        elif self._pressure == "STOP":
            why = "the node says STOP"
        else:
            why = "too much else was on its way"
        return _definite("NOT_SENT", "the request was not sent in time: " + why)

    # admission, for any thread

    def admit(self, size: int) -> None:
        """Counts a call that begins, or raises why it may not. `release` when it ends."""
        largest = self._command_bytes
        if largest is not None and size > largest:
            text = "the command has %d bytes, over the node's limit of %d"
            raise _definite("TOO_LARGE", text % (size, largest))
        limits = self.limits
        with self._lock:
            if self._count >= limits.calls:
                text = "this client has %d open calls, its limit"
                raise _definite("OVERLOADED", text % limits.calls)
            if self._count and self._size + size > limits.calls_bytes:
                text = "the open calls of this client have %d bytes, its limit"
                raise _definite("OVERLOADED", text % limits.calls_bytes)
            self._count += 1
            self._size += size

    def release(self, size: int) -> None:
        with self._lock:
            self._count -= 1
            self._size -= size

    def call_s(self, asked: Optional[float]) -> float:
        """How long a call may take for which so much was asked."""
        return min(max(self.limits.call_s if asked is None else asked, 0.001), self.limits.call_max_s)

    def submit(self, call: _Call) -> None:
        self.admit(call.size)
        try:
            self.engine.post(lambda: self.begin(call))
        except BaseException:
            self.release(call.size)
            raise

    # sending

    def begin(self, call: _Call) -> None:
        waiting = _Waiting(call)
        self._calls.add(waiting)
        if self._closed is not None:
            return self._end(waiting, self._closed)
        waiting.timer = self.engine.later(call.timeout_s, lambda: self._late(waiting))
        self._queue(waiting)

    def _queue(self, waiting: _Waiting) -> None:
        if not waiting.ended:
            (self._proposals if waiting.call.once else self._others).append(waiting)
            self.pump()

    def add_session(self, session: "_SessionCore") -> None:
        self._sessions[session] = None

    def remove_session(self, session: "_SessionCore") -> None:
        self._sessions.pop(session, None)

    @property
    def closed(self) -> Optional[OutriggerError]:
        return self._closed

    def pump(self) -> None:
        """Sends what may be sent, soon."""
        if not self._pumping:
            self._pumping = True
            self.engine.later(0, self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if self._closed is not None:
            return
        link = self._route.link
        if link is None:
            if self._proposals or self._others or any(session.waits for session in self._sessions):
                self._route.want()
            return
        while self._others and self._has_room(link, "OK"):
            self._send_first(link, self._others)
        if self._stopped_long and (self._proposals or any(session.waits for session in self._sessions)):
            self._move_on(link)
        # In turn, so that neither a session nor the rest can keep the others out.
        sent = True
        while sent:
            sent = False
            if self._proposals and self._has_room(link, self._pressure):
                self._send_first(link, self._proposals)
                sent = True
            for session in list(self._sessions):
                if self._has_room(link, self._pressure) and session.send_next(link):
                    sent = True
                    if session in self._sessions:
                        self._sessions[session] = self._sessions.pop(session)

    def _has_room(self, link: _Link, pressure: str) -> bool:
        if link.choked or link is not self._route.link or pressure == "STOP":
            return False
        assert link.welcome is not None
        most = min(self.limits.in_flight, link.welcome["limits"]["inFlight"] or self.limits.in_flight)
        return link.open < (most if pressure == "OK" else max(1, most // self.limits.slow_down))

    def _send_first(self, link: _Link, queue: Deque[_Waiting]) -> None:
        waiting = queue.popleft()
        call = waiting.call
        if call.request is None:
            return self._end(waiting, ("pong", {}))
        left_s = max(0.001, waiting.deadline - time.monotonic())
        timeout_s = left_s if call.once else min(left_s, self.limits.try_s)
        give_up_s = None if call.once else timeout_s + self.limits.try_grace_s
        waiting.tries += 1
        number = link.request(
            call.request, call.fields(timeout_s), give_up_s, lambda outcome: self._answered(waiting, link, outcome)
        )
        waiting.on = (link, number)

    # answers

    def _answered(self, waiting: _Waiting, link: _Link, outcome: _Outcome) -> None:
        waiting.on = None
        if not isinstance(outcome, OutriggerError):
            self.succeeded(link, outcome[1])
            return self._end(waiting, outcome, link.node)
        pause_s = self.failed(link, outcome, waiting.tries)
        again = _is_passing(outcome) if outcome.definite else not waiting.call.once
        # What would not be tried again in time is better said now.
        if not again or time.monotonic() + pause_s >= waiting.deadline:
            return self._end(waiting, outcome, link.node)
        waiting.refused = outcome
        self.engine.later(pause_s, lambda: self._queue(waiting))

    def succeeded(self, link: _Link, body: Fields) -> None:
        """A good answer: the node can, and it tells how far it is."""
        self._setbacks = 0
        if link is self._route.link:
            self._route.is_good()
        self.highest_index = max(self.highest_index, body.get("index", 0))

    def failed(self, link: _Link, error: OutriggerError, tries: int) -> float:
        """What an error says of the node: it may be left. Returns after how long the request may be tried again."""
        if error.leader is not None:
            self.leader = error.leader
        if link is not self._route.link or error.code == "CONNECTION_LOST":
            return 0.0
        if error.code == "SHUTTING_DOWN":
            self._route.leave(link)
            return 0.0
        if error.code in ("APP_ABSENT", "NO_SPACE") and self._move_on(link):
            return 0.0
        if error.code in ("OVERLOADED", "TIMEOUT", "LEADER_LOST", "INTERNAL"):
            self._setbacks += 1
            if self._setbacks >= self.limits.failures_to_move:
                self._move_on(link)
        if error.retry_after_ms is None:
            return _backoff_s(tries, self.limits)
        return min(max(error.retry_after_ms, 1) / 1000, self.limits.retry_after_max_s)

    def _move_on(self, link: _Link) -> bool:
        """Leaves the node if there is another."""
        if self._route.is_only_place:
            return False
        self._setbacks = 0
        self._route.leave(link)
        return True

    def _late(self, waiting: _Waiting) -> None:
        if waiting.on is not None:
            link, number = waiting.on
            link.forget(number)
            return self._end(waiting, _indefinite("TIMEOUT", "no answer within %g s" % waiting.call.timeout_s))
        for queue in (self._proposals, self._others):
            if waiting in queue:
                queue.remove(waiting)
        self._end(waiting, waiting.refused or self.not_sent())

    def _end(self, waiting: _Waiting, outcome: _Outcome, node: str = "") -> None:
        if waiting.ended:
            return
        waiting.ended = True
        if waiting.timer is not None:
            waiting.timer.cancel()
        self._calls.discard(waiting)
        self.release(waiting.call.size)
        waiting.call.done(outcome, node)

    # news

    def connected(self, link: _Link) -> None:
        assert link.welcome is not None
        self.leader = link.welcome["leader"] or self.leader
        self._command_bytes = link.welcome["limits"]["commandBytes"] or None
        self._setbacks = 0
        self._pressure_is("OK")

    def heard(self, name: str, body: Fields) -> None:
        if name == "roleChanged":
            self.leader = body["leader"] or None
        elif name == "pressure":
            self._pressure_is(body["level"])
        elif name == "sessionExpired":
            for session in list(self._sessions):
                session.expired(body["session"])

    def _pressure_is(self, level: str) -> None:
        self._pressure = level
        if self._stop_timer is not None:
            self._stop_timer.cancel()
        self._stopped_long = False
        if level == "STOP":
            self._stop_timer = self.engine.later(self.limits.stop_s, self._stop_is_over)
        self.pump()

    def _stop_is_over(self) -> None:
        self._stopped_long = True
        self.pump()

    # the end

    def fail_waiting(self, why: OutriggerError) -> None:
        """No node lets us in: what has not been sent will not be."""
        for waiting in list(self._calls):
            if waiting.on is None:
                self._end(waiting, why)
        self._proposals.clear()
        self._others.clear()

    def close(self) -> None:
        self._close("CLOSED", "the client was closed")

    def _close(self, code: str, message: str) -> None:
        if self._closed is not None:
            return
        self._closed = _definite(code, message)
        for waiting in list(self._calls):
            sent = waiting.on is not None
            self._end(waiting, _indefinite(code, message) if sent else _definite(code, message))
        for session in list(self._sessions):
            session.client_closed(code, message)
        self._route.close(self._closed)


# ---------------------------------------------------------------- sessions


class _Slot:
    """One command of a session, from its call until it is settled."""

    def __init__(self, command: bytes, wait: str, timeout_s: float) -> None:
        self.command = command
        self.wait = wait
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s
        self.timer: Optional[_Timer] = None
        self.future: "Optional[concurrent.futures.Future[Proposed]]" = concurrent.futures.Future()
        self.refused: Optional[OutriggerError] = None  # the definite refusal of the last try
        self.sent_s = 0.0
        self.sequence = 0  # 0 while it has no number
        # READY to be sent (again), OPEN on its way, DONE answered, VOID refused for good before it could take effect.
        self.state = "READY"
        self.maybe = False  # an earlier try had an unknown outcome: it may have taken effect, whatever later ones are told
        self.sent_at = 0  # when it was sent last, and refused as SEQUENCE_GAP last, in tries of this session
        self.gap_at = 0


class _Window:
    """The commands of one session: which have a number, what may be sent now, and what is settled.

    Numbers follow on each other without a gap, and a command that may have been taken keeps its number until it is answered:
    giving it to another command could lose one of the two, and skipping it would leave everything after it unapplied.
    MUST: give a number back only when every try of the command was definitely refused, and no later number may be in use."""

    def __init__(self, most: int) -> None:
        self.ack_below = 1  # everything below this number is answered
        self._most = most
        self._slots: Deque[_Slot] = collections.deque()  # numbered from ack_below on; the first one is not DONE
        self._queue: Deque[_Slot] = collections.deque()

    _tries = 0

    @property
    def unsettled(self) -> List[_Slot]:
        return [slot for slot in self._slots if slot.state in ("READY", "OPEN")] + list(self._queue)

    @property
    def is_stuck(self) -> bool:
        """A later command may be in use, and an earlier one, refused for good, can neither be sent nor replaced."""
        states = [slot.state for slot in self._slots]
        if "VOID" not in states:
            return False
        later = list(self._slots)[states.index("VOID") + 1 :]
        in_use = any(slot.maybe or slot.state == "DONE" for slot in later)
        return in_use and all(slot.state != "OPEN" for slot in later)

    def add(self, slot: _Slot) -> None:
        self._queue.append(slot)

    def withdraw(self, slot: _Slot) -> bool:
        """Takes out a command that has no number. False: it has one."""
        if slot not in self._queue:
            return False
        self._queue.remove(slot)
        return True

    def next(self) -> Optional[_Slot]:
        """What is to be sent next: the lowest number first, and nothing past one that cannot be sent yet."""
        before: Optional[_Slot] = None
        for slot in self._slots:
            if slot.state == "VOID":
                return None
            if slot.state == "READY":
                return slot if self._follows(before, slot) else None
            before = slot
        if self._queue and len(self._slots) < self._most and self._follows(before, self._queue[0]):
            return self._queue[0]
        return None

    @staticmethod
    def _follows(before: Optional[_Slot], slot: _Slot) -> bool:
        """After a gap a command waits until the one before it was sent anew or answered: sooner it would be a gap again."""
        return slot.gap_at == 0 or before is None or before.state == "DONE" or before.sent_at > slot.gap_at

    def sent(self, slot: _Slot) -> None:
        """It is on its way; it has a number from here on."""
        if self._queue and slot is self._queue[0]:
            self._queue.popleft()
            slot.sequence = self.ack_below + len(self._slots)
            self._slots.append(slot)
        self._tries += 1
        slot.sent_at, slot.gap_at, slot.state = self._tries, 0, "OPEN"

    def answered(self, slot: _Slot) -> None:
        slot.state = "DONE"
        while self._slots and self._slots[0].state == "DONE":
            self._slots.popleft()
            self.ack_below += 1

    def refused(self, slot: _Slot, how: str) -> None:
        """The try failed (GAP, DEFINITE, INDEFINITE), and the command is to be sent again."""
        slot.state = "READY"
        if how == "INDEFINITE":
            slot.maybe = True
        if how == "GAP":
            slot.gap_at = self._tries
        self._give_back()

    def void(self, slot: _Slot) -> None:
        """Every try was definitely refused, and there will be no other one."""
        slot.state = "VOID"
        self._give_back()

    def _give_back(self) -> None:
        """Numbers at the end that surely were not used are free again; their commands get new ones, in the same order."""
        while self._slots:
            last = self._slots[-1]
            if last.state != "VOID" and (last.state != "READY" or last.maybe):
                return
            self._slots.pop()
            last.sequence = 0
            if last.state == "READY":
                self._queue.appendleft(last)


class _SessionCore:
    """What a Session does in the client's thread."""

    def __init__(self, session: int, ttl_s: float, dispatcher: _Dispatcher) -> None:
        self._id = session
        self._ttl_s = ttl_s
        self._dispatcher = dispatcher
        self._engine = dispatcher.engine
        self._limits = dispatcher.limits
        self._window = _Window(dispatcher.limits.session_in_flight)
        self._callers = 0  # calls that wait; what is held for nobody is sent again only together with them
        self._paused = False
        self._setbacks = 0  # pauses since the last answer
        self._used_s = time.monotonic()  # when the newest request was sent that the cluster answered
        self._keep_timer: Optional[_Timer] = None
        self._end: Optional[Callable[[], OutriggerError]] = None  # why nothing more is taken
        self._gone = False  # nothing of it counts any more, answers that still come included
        self._when_idle: List[Callable[[], None]] = []

    def begin(self) -> None:
        closed = self._dispatcher.closed
        if closed is not None:
            return self.client_closed(closed.code, closed.message)
        self._dispatcher.add_session(self)
        self._keep_after(self._ttl_s / self._limits.keeps_per_ttl)

    def submit(self, command: bytes, timeout: Optional[float], wait: str) -> "concurrent.futures.Future[Proposed]":
        """For any thread."""
        self._dispatcher.admit(len(command))
        slot = _Slot(command, wait, self._dispatcher.call_s(timeout))
        future = slot.future
        assert future is not None
        future.set_running_or_notify_cancel()  # it cannot be cancelled: it may be on its way
        try:
            self._engine.post(lambda: self._add(slot))
        except BaseException:
            self._dispatcher.release(len(command))
            raise
        return future

    def _add(self, slot: _Slot) -> None:
        self._callers += 1
        if self._end is not None:
            self._dispatcher.release(len(slot.command))
            return self._tell(slot, self._end())
        slot.timer = self._engine.later(slot.deadline - time.monotonic(), lambda: self._late(slot))
        self._window.add(slot)
        self._dispatcher.pump()

    def close(self, timeout: Optional[float], future: "concurrent.futures.Future[None]") -> None:
        if self._end is not None:
            return future.set_result(None)
        self._end = lambda: _definite("CLOSED", "session %d was closed" % self._id)
        if self._keep_timer is not None:
            self._keep_timer.cancel()

        def idle() -> None:
            if self._gone:
                future.set_result(None)
            else:
                self._ask("closeSession", self._dispatcher.call_s(timeout), closed)

        def closed(error: Optional[OutriggerError]) -> None:
            self._drop()
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        if self._callers == 0:
            idle()
        else:
            self._when_idle.append(idle)

    # sending

    @property
    def waits(self) -> bool:
        return self._callers > 0 and not self._paused

    def send_next(self, link: _Link) -> bool:
        slot = self._window.next() if self.waits else None
        if slot is None:
            return False
        slot.sent_s = time.monotonic()
        left_s = self._limits.try_s if slot.future is None else slot.deadline - slot.sent_s
        timeout_s = max(0.001, min(self._limits.try_s, left_s))
        self._window.sent(slot)
        fields: Fields = {
            "command": _base64(slot.command),
            "session": self._id,
            "sequence": slot.sequence,
            "ackBelow": self._window.ack_below,
            "timeoutMs": _ms(timeout_s),
        }
        if slot.wait != "APPLIED":
            fields["wait"] = slot.wait
        give_up_s = timeout_s + self._limits.try_grace_s
        link.request("propose", fields, give_up_s, lambda outcome: self._answered(slot, link, outcome))
        return True

    def _pause(self, seconds: float) -> None:
        """Sends nothing for a while; one pause for all that fail together."""
        if self._paused or seconds <= 0:
            return
        self._setbacks += 1
        self._paused = True
        self._engine.later(seconds, self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._dispatcher.pump()

    # answers

    def _answered(self, slot: _Slot, link: _Link, outcome: _Outcome) -> None:
        if self._gone:
            return
        if isinstance(outcome, OutriggerError):
            # It has its place in the log and in the session, and no app was given it: that is an answer.
            if outcome.code == "SKIPPED":
                self._settled(slot, outcome)
            else:
                self._failed(slot, link, outcome)
        elif outcome[0] == "proposed":
            self._dispatcher.succeeded(link, outcome[1])
            self._settled(slot, _proposed(outcome[1], link.node))
        else:
            self._failed(slot, link, _indefinite("INTERNAL", "the node answered propose with " + outcome[0]))
        self._dispatcher.pump()

    def _settled(self, slot: _Slot, outcome: Union[Proposed, OutriggerError]) -> None:
        self._setbacks = 0
        self._used_s = max(self._used_s, slot.sent_s)
        self._window.answered(slot)
        self._dispatcher.release(len(slot.command))
        self._tell(slot, outcome)

    def _failed(self, slot: _Slot, link: _Link, error: OutriggerError) -> None:
        pause_s = self._dispatcher.failed(link, error, self._setbacks + 1)
        if error.definite:
            slot.refused = error
        if error.code == "SESSION_UNKNOWN":
            return self._lost(error.message, slot)
        if error.code == "SEQUENCE_GAP":
            self._window.refused(slot, "GAP")
            # As a rule it waits for the one before it; without one it would come back at once.
            if self._window.next() is slot:
                self._pause(pause_s)
        elif not error.definite or _is_passing(error) or slot.maybe:
            self._window.refused(slot, "DEFINITE" if error.definite else "INDEFINITE")
            self._pause(pause_s)
            # What would not be tried again in time is better said now, where its number is free.
            in_time = slot.future is None or time.monotonic() + pause_s < slot.deadline
            if not in_time and self._window.withdraw(slot):
                self._refused(slot, error)
        else:
            self._window.void(slot)
            self._refused(slot, error)
        if self._window.is_stuck:
            text = "a command of session %d was refused for good, and a later one may have been taken"
            self._lost(text % self._id)

    def _late(self, slot: _Slot) -> None:
        if self._window.withdraw(slot):
            return self._refused(slot, slot.refused or self._dispatcher.not_sent())
        text = "command %d of session %d was not answered within %g s; the session holds it"
        self._tell(slot, _indefinite("TIMEOUT", text % (slot.sequence, self._id, slot.timeout_s)))

    def _refused(self, slot: _Slot, error: OutriggerError) -> None:
        """It surely did not happen, and will not."""
        self._dispatcher.release(len(slot.command))
        self._tell(slot, error)

    def _tell(self, slot: _Slot, outcome: Union[Proposed, OutriggerError]) -> None:
        future, slot.future = slot.future, None
        if future is None:
            return
        if slot.timer is not None:
            slot.timer.cancel()
        self._callers -= 1
        if isinstance(outcome, OutriggerError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        if self._callers == 0:
            idle, self._when_idle = self._when_idle, []
            for call in idle:
                call()

    # the end

    def expired(self, session: int) -> None:
        if session == self._id:
            self._lost("session %d expired" % session)

    def _lost(self, why: str, refused: Optional[_Slot] = None) -> None:
        """The session is gone. `refused`: the command by which we learned it; that try of it was not taken."""
        if self._gone:
            return

        def error(sure: bool) -> OutriggerError:
            what = "this command was not taken" if sure else "whether this command took effect is unknown"
            return SessionLost("SESSION_UNKNOWN", sure, "%s; %s" % (why, what))

        self._end = lambda: error(True)
        self._drop()
        for slot in self._window.unsettled:
            self._tell(slot, error(not slot.maybe and (slot is refused or slot.state == "READY")))

    def client_closed(self, code: str, message: str) -> None:
        if self._end is None:
            self._end = lambda: _definite(code, message)
        self._drop()
        for slot in self._window.unsettled:
            in_use = slot.state == "OPEN" or slot.maybe
            self._tell(slot, _indefinite(code, message) if in_use else _definite(code, message))

    def _drop(self) -> None:
        if self._gone:
            return
        self._gone = True
        if self._keep_timer is not None:
            self._keep_timer.cancel()
        self._dispatcher.remove_session(self)
        for slot in self._window.unsettled:
            self._dispatcher.release(len(slot.command))

    # keeping it alive

    def _keep_after(self, seconds: float) -> None:
        if self._end is None:
            self._keep_timer = self._engine.later(max(seconds, 0.001), self._keep)

    def _keep(self) -> None:
        every_s = self._ttl_s / self._limits.keeps_per_ttl
        asked_s = time.monotonic()
        idle_s = asked_s - self._used_s
        if idle_s < every_s:
            return self._keep_after(every_s - idle_s)

        def kept(error: Optional[OutriggerError]) -> None:
            if error is None:
                self._used_s = max(self._used_s, asked_s)
            # Else no node could be told in time. Whether it lives nobody knows; a node will say so.
            self._keep_after(every_s if error is None else every_s / 2)

        self._ask("keepSession", self._ttl_s - every_s, kept)

    def _ask(self, request: str, timeout_s: float, then: Callable[[Optional[OutriggerError]], None]) -> None:
        """None also when the session turns out to be gone: then it is lost."""

        def done(outcome: _Outcome, _: str) -> None:
            if not isinstance(outcome, OutriggerError):
                return then(None)
            if outcome.code != "SESSION_UNKNOWN":
                return then(outcome)
            if request == "keepSession":
                self._lost(outcome.message)
            then(None)

        try:
            self._dispatcher.admit(0)
        except OutriggerError as error:
            return then(error)
        self._dispatcher.begin(_Call(request, lambda _: {"session": self._id}, False, timeout_s, 0, done))
