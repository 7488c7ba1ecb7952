"""Broken apps: `python3 broken.py SIN` runs the sound one with one mistake, of the kind that people make.

test/conformance/broken.test.ts says which check of the suite must find each, and that no other complains.
"""
import base64
import hashlib
import json
import os
import random
import sys
import threading
import time

import sound
from sound import App, encode


class SaysWhatItNeverHad(App):
    """Begins in the middle."""

    def hello(self):
        hello = super().hello()
        hello["stateMachine"]["appliedIndex"] = self.applied or 5
        return hello


class SkipsAnIndex(App):
    """Loses the fifth command of a batch."""

    def entry(self, index, command):
        if index % 32 == 5:
            return [{"index": index, "result": encode(b'{"existed": false}')}]
        return super().entry(index, command)


class AppliesOutOfOrder(App):
    """Sorts a batch by command, for speed."""

    def entries(self, body):
        body["entries"].sort(key=lambda entry: base64.b64decode(entry["command"])[::-1])
        super().entries(body)


class AppliesTwice(App):
    """Says where it was when it last acknowledged in time, and applies again what it had applied since."""

    told = (0, None)

    def acknowledge(self, body, results, sums):
        before = self.said if hasattr(self, "said") else self.told
        super().acknowledge(body, results, sums)
        self.told, self.said = before, (self.applied, self.hash)

    def hello(self):
        if self.applied:
            self.applied, self.hash = self.told
        return super().hello()


class AcknowledgesEarly(App):
    """Acknowledges a batch when it arrived, and applies it in the background."""

    def entries(self, body):
        self.acknowledge(body, [], {})
        threading.Timer(0.3, self.later, [body]).start()

    def later(self, body):
        with self.lock:
            for entry in body["entries"]:
                self.execute(base64.b64decode(entry["command"]))
            self.applied = int(body["through"])


class AcknowledgesBeyond(App):
    """Takes the number of commands for the distance of indexes, off by one."""

    def acknowledge(self, body, results, sums):
        self.send("applied", through=int(body["through"]) + (len(results) > 20), results=results)


class AcknowledgesRarely(App):
    """Acknowledges only when it has ten new commands."""

    count = 0

    def acknowledge(self, body, results, sums):
        self.count += len(results)
        if self.count >= 10:
            self.count = 0
            super().acknowledge(body, results, sums)


class IgnoresThrough(App):
    """Acknowledges the last command, and not what comes after it."""

    def acknowledge(self, body, results, sums):
        if body["entries"]:
            self.send("applied", through=body["entries"][-1]["index"], results=results, **sums)


class ForgetsItsState(App):
    """Keeps its position on disk, and its state in memory."""

    def __init__(self):
        super().__init__()
        self.file = os.path.join(os.environ["OUTRIGGER_DATA"], "position")
        if os.path.exists(self.file):
            with open(self.file) as file:
                self.applied, self.hash = json.load(file)

    def acknowledge(self, body, results, sums):
        with open(self.file, "w") as file:
            json.dump([self.applied, self.hash], file)
        super().acknowledge(body, results, sums)


class SaysAnOldHash(App):
    """Says its index with the hash of the batch before."""

    before = None

    def entries(self, body):
        self.before = self.hash
        super().entries(body)

    def hello(self):
        hello = super().hello()
        if self.applied > 50:
            hello["stateMachine"]["appliedHash"] = self.before
        return hello


class SaysTooMuch(App):
    """Counts the entry that it waits for as applied."""

    def hello(self):
        hello = super().hello()
        if self.applied > 40:
            hello["stateMachine"]["appliedIndex"] += 1
            del hello["stateMachine"]["appliedHash"]
        return hello


class DiesWhenCut(App):
    """Takes the end of its connection for its own."""

    def lost(self):
        if self.applied:
            os._exit(0)
        super().lost()


class ReconnectsOnce(App):
    """Has one reconnect in it."""

    tries = 0

    def lost(self):
        super().lost()
        self.tries += self.applied > 0
        while self.tries > 1:
            time.sleep(1)


class UsesTheClock(App):
    """Puts the time into its results."""

    def execute(self, command):
        return {**super().execute(command), "at": time.time()}


class UsesItsName(App):
    """Puts the name of its node into its state."""

    def freeze(self):
        return json.dumps({**self.state, "by": os.environ["OUTRIGGER_NODE"]}, sort_keys=True).encode()

    def thaw(self, state):
        state.pop("by")
        super().thaw(state)


class ManglesBytes(App):
    """Reads commands as Latin-1 and not as UTF-8."""

    def execute(self, command):
        return super().execute(command.decode("latin-1"))


class StripsWhitespace(App):
    """Strips what it stores."""

    def execute(self, command):
        answer = super().execute(command)
        self.state = {key: value.strip() for key, value in self.state.items()}
        return answer


class ReadsOnceForAFrame(App):
    """Takes what one read gave for whole frames, unless it is a lot."""

    def lines(self, connection):
        while True:
            data = connection.recv(65536)
            if not data:
                return
            if len(data) < 100 and not data.endswith(b"\n"):
                raise SystemExit("that is no frame: %r" % data)
            while not data.endswith(b"\n"):
                data += connection.recv(65536)
            yield from data.splitlines()


class BreaksOnStrings(App):
    """Wants numbers."""

    def frame(self, name, body):
        if name == "entries" and not isinstance(body["through"], int):
            raise SystemExit("through is no number: %r" % body["through"])
        super().frame(name, body)


class BreaksOnUnknownFields(App):
    """Knows exactly the fields of today."""

    def frame(self, name, body):
        if name == "entries" and not set(body) <= {"through", "hash", "entries", "version"}:
            raise SystemExit("there is no such field: %r" % sorted(body))
        super().frame(name, body)


class BreaksOnNews(App):
    """Knows the frames that it asked for."""

    def frame(self, name, body):
        if name in ("roleChanged", "pressure"):
            raise SystemExit("nobody asked for %s" % name)
        super().frame(name, body)


class RoundsIndexes(App):
    """Keeps indexes as floats of 32 bits, or something like it."""

    def entries(self, body):
        super().entries(body)
        if self.applied >= 2**32:
            self.applied %= 2**32


class BreaksOnNonsense(App):
    """Believes that every command is one of its own."""

    def execute(self, command):
        json.loads(command)["op"]
        return super().execute(command)


class SmallCommands(App):
    """Has a limit of its own."""

    def execute(self, command):
        if len(command) > 500_000:
            return {"error": "too large"}
        return super().execute(command)


class GivesUpWithoutASidecar(App):
    """Tries to dial for a tenth of a second."""

    began = time.monotonic()

    def run(self):
        while not os.path.exists(os.environ["OUTRIGGER_SOCKET"]):
            if time.monotonic() - self.began > 0.1:
                raise SystemExit("there is no sidecar")
            time.sleep(0.01)
        super().run()


class EndsAtGoodbye(App):
    """Takes every goodbye for the last one."""

    def goodbye(self, reason):
        os._exit(0)


class NeverGivesUp(App):
    """Comes again after SUPERSEDED."""

    def goodbye(self, reason):
        pass


class Hammers(App):
    """Comes again at once, as it was, when it is refused."""

    def error(self, body):
        self.pause = 0

    def start_over(self):
        self.pause = 0.05
        super().start_over()


class LosesResults(App):
    """Answers the first command of each batch."""

    def acknowledge(self, body, results, sums):
        super().acknowledge(body, results[:1], sums)


class WrongAnswers(App):
    """Gives answers out in the order of the questions."""

    def answer(self, name, body):
        if self.waiting:
            body["id"] = next(iter(self.waiting))
        super().answer(name, body)


class AnswersLostWrites(App):
    """Says that what was lost with the connection did not happen."""

    def lost(self):
        with self.lock:
            self.connection, waiting, self.waiting = None, self.waiting, {}
        for answer in waiting.values():
            answer.put(("error", {"code": "SIDECAR_LOST", "definite": True}))


class ReadsWithoutAsking(App):
    """Serves reads from what it has."""

    def ask(self, name, **body):
        return ("readReady", {}) if name == "read" else super().ask(name, **body)


class WrongHash(App):
    """Hashes something else than it sends."""

    def digest(self, data):
        return hashlib.sha256(encode(data).encode()).digest()


class SnapshotOfBefore(App):
    """Begins its snapshots with an index that it had before."""

    def snapshot_index(self):
        return self.applied - 3


class ShufflesSnapshots(App):
    """Writes its state in the order in which it happens to lie in memory."""

    def freeze(self):
        pairs = list(self.state.items())
        random.shuffle(pairs)
        return json.dumps(dict(pairs)).encode()

    def sum(self):
        return hashlib.sha256(super().freeze()).digest()


class IgnoresLaterSnapshots(App):
    """Answers takeSnapshot at once, or never."""

    def entries(self, body):
        wanted, self.wanted = self.wanted, None
        super().entries(body)
        del wanted


class LateFreeze(App):
    """Names the index at which it was asked, and freezes later."""

    pending = None

    def give_snapshot(self):
        if self.pending is None and self.wanted is not None and self.applied >= self.wanted:
            self.pending, self.wanted = self.applied, None
            threading.Timer(0.05, self.freeze_later).start()

    def freeze_later(self):
        with self.lock:
            data, index, self.pending = self.freeze(), self.pending, None
            self.send("snapshotBegin", index=index, format="json", size=len(data))
            self.send("snapshotChunk", data=encode(data))
            self.send("snapshotEnd", sha256=encode(self.digest(data)))


class RestoresNothing(App):
    """Takes the index of a snapshot, and forgets its state."""

    def thaw(self, state):
        pass


class MergesRestores(App):
    """Adds a snapshot to what it has."""

    def thaw(self, state):
        self.state.update(state)


class BelievesBytes(App):
    """Restores whatever it is given."""

    def whole(self, data, size, sha256):
        try:
            json.loads(data)
            return True
        except ValueError:
            return False


class DropsStateFirst(App):
    """Empties its state when a restore begins."""

    def take_snapshot(self, name, body):
        if name == "restoreBegin":
            self.state = {}
        super().take_snapshot(name, body)


class AppliesHalfRestores(App):
    """Is at the index of a snapshot from its beginning."""

    def take_snapshot(self, name, body):
        if name == "restoreBegin":
            self.applied, self.hash = int(body["index"]), None
        super().take_snapshot(name, body)


SINS = {name: thing for name, thing in list(globals().items()) if isinstance(thing, type) and issubclass(thing, App)}

if __name__ == "__main__":
    sound.main(SINS[sys.argv[1]]())
