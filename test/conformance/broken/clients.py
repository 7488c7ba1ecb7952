"""A sound client that proposes the lines of its standard input, and broken ones: `python3 clients.py SIN [--once] ADDRESS…`.

test/conformance/clients.test.ts says which check of the suite must find each. This is no client to copy: it has no deadlines, no limits
and one thread. clients/python is one.
"""
import base64
import json
import socket
import sys
import time

PAUSE = 0.05


class Refused(Exception):
    def __init__(self, body):
        super().__init__("%s: %s" % (body["code"], body.get("message", "")))
        self.code, self.definite = body["code"], body.get("definite", False)


class Broken(Exception):
    """The connection is gone: whoever waits on it cannot know."""


class Client:
    def __init__(self, addresses):
        self.addresses, self.at = addresses, 0
        self.connection, self.cluster, self.number = None, None, 0
        self.highest = 0
        self.session = None
        self.sequence, self.answered = 0, 0

    # ------------------------------------------------------------ the connection

    def dial(self):
        while self.connection is None:
            address, _, token = self.addresses[self.at % len(self.addresses)].partition(",")
            try:
                self.meet(address, token)
            except (OSError, Broken):
                self.leave()
                time.sleep(PAUSE)

    def meet(self, address, token):
        tcp = address.startswith("tcp://")
        self.connection = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        host, _, port = address[6:].rpartition(":")
        self.connection.connect((host, int(port)) if tcp else address)
        self.lines = self.connection.makefile("rb")
        self.send("hello", protocol=1, app="lines", **({"token": token} if token else {}), **self.more())
        name, body = self.read()
        if name != "welcome" or not self.belongs(body["cluster"]):
            raise Broken()
        self.cluster = body["cluster"]

    def more(self):
        return {}

    def belongs(self, cluster):
        return self.cluster in (None, cluster)

    def leave(self):
        self.at += 1
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def send(self, name, **body):
        try:
            self.connection.sendall(json.dumps({name: body}).encode() + b"\n")
        except OSError:
            raise Broken()

    def read(self):
        try:
            text = self.lines.readline()
        except OSError:
            raise Broken()
        if not text.endswith(b"\n"):
            raise Broken()
        ((name, body),) = json.loads(text).items()
        if name == "goodbye":
            raise Broken()
        return name, body

    def ask(self, name, **body):
        """The answer to this request."""
        if self.connection is not None and self.gone():
            self.leave()
        self.dial()
        self.number += 1
        try:
            self.send(name, id=self.number, **body)
            return self.wait(self.number)
        except Broken:
            self.leave()
            raise

    def gone(self):
        """Whether the node ended the connection while nobody looked, with or without a goodbye."""
        try:
            while True:
                said = self.connection.recv(65536, socket.MSG_DONTWAIT)
                if said == b"" or b'"goodbye"' in said:
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait(self, number):
        while True:
            name, body = self.read()
            if self.is_answer(number, body):
                if name == "error":
                    raise Refused(body)
                return body

    def is_answer(self, number, body):
        return "id" in body and int(body["id"]) == number

    # ------------------------------------------------------------ what lines come to

    def open(self):
        self.session = int(self.ask("openSession", ttlMs=60000)["session"])

    def propose(self, command):
        """(index, result), or raises Refused or Broken."""
        if self.session is None:
            return self.once(command)
        self.sequence += 1
        unsure = False
        while True:
            try:
                where = {"session": self.session, "sequence": self.sequence, "ackBelow": self.answered + 1}
                done = self.once(command, **where)
                self.answered = self.sequence
                return done
            except Refused as no:
                if no.code == "SESSION_UNKNOWN":
                    return self.lost(command)
                if no.definite and not unsure:
                    self.give_back()
                    raise
                unsure = unsure or not no.definite
            except Broken:
                unsure = True
            time.sleep(PAUSE)

    def give_back(self):
        self.sequence -= 1

    def lost(self, command):
        raise SystemExit(print("! session-lost", flush=True))

    def once(self, command, **where):
        done = self.ask("propose", command=base64.b64encode(command).decode(), wait="APPLIED", **where)
        index = self.index_of(done)
        self.highest = max(self.highest, index)
        return index, base64.b64decode(done.get("result", ""))

    def index_of(self, done):
        return int(done["index"])

    def kind(self, no):
        return "definite" if no.definite else "unknown"

    def line(self, command):
        try:
            index, result = self.propose(command)
            return b"%d %s" % (index, result)
        except Refused as no:
            return b"! %s %s" % (self.kind(no).encode(), str(no).encode())
        except Broken:
            return b"! unknown the connection broke"

    def run(self, lines):
        for line in lines:
            sys.stdout.buffer.write(self.line(line.rstrip(b"\n")) + b"\n")
            sys.stdout.buffer.flush()
        self.ask("read", consistency="AT_LEAST", index=self.highest)


class IsAStateMachine(Client):
    """Copied its hello from an app."""

    def more(self):
        return {"stateMachine": {"appliedIndex": 0, "snapshots": "NONE"}}


class StripsLines(Client):
    """Cleans up what it is given."""

    def line(self, command):
        return super().line(b" ".join(command.split()))


class SmallIndexes(Client):
    """Keeps indexes in 32 bits."""

    def index_of(self, done):
        return int(done["index"]) & 0xFFFFFFFF


class WantsNumbers(Client):
    """Compares ids with numbers."""

    def is_answer(self, number, body):
        return body.get("id") == number


class TakesAnyAnswer(Client):
    """Takes the next frame for the answer."""

    def is_answer(self, number, body):
        return "cluster" not in body


class KnowsTheCodes(Client):
    """Believes codes, and that those it does not know are definite."""

    def kind(self, no):
        return "unknown" if no.code in ("TIMEOUT", "LEADER_LOST") else "definite"


class TriesAgain(Client):
    """Proposes again whatever failed."""

    def once(self, command, **where):
        try:
            return super().once(command, **where)
        except Refused as no:
            if no.definite:
                raise
            return super().once(command, **where)


class TriesAgainWhenCut(Client):
    """Proposes again what was open when the connection broke."""

    def once(self, command, **where):
        try:
            return super().once(command, **where)
        except Broken:
            return super().once(command, **where)


class CountsFromZero(Client):
    """Numbers its commands 0, 1, 2."""

    def once(self, command, **where):
        if "sequence" in where:
            where["sequence"] -= 1
        return super().once(command, **where)


class RenumbersRetries(Client):
    """Gives every try a number of its own."""

    tries = 0

    def once(self, command, **where):
        if "sequence" in where:
            self.tries += 1
            where["sequence"] = self.tries
        return super().once(command, **where)

    def give_back(self):
        self.tries -= 1
        super().give_back()


class WastesNumbers(Client):
    """Never gives a number back."""

    def give_back(self):
        pass


class ReplacesSessions(Client):
    """Opens another session when one is lost."""

    def lost(self, command):
        self.open()
        self.sequence = 0
        return self.propose(command)


class StaysForEver(Client):
    """Dials one node, whatever happens to it."""

    def leave(self):
        super().leave()
        self.at = 0


class LikesEveryCluster(Client):
    """Does not look where it is."""

    def belongs(self, cluster):
        return True


class ForgetsIndexes(Client):
    """Reads AT_LEAST the first index that it was told."""

    def once(self, command, **where):
        before = self.highest
        done = super().once(command, **where)
        self.highest = before or done[0]
        return done


def main(args):
    client = globals()[args.pop(0)]([one for one in args if one != "--once"])
    if "--once" not in args:
        client.open()
    client.run(sys.stdin.buffer)


if __name__ == "__main__":
    main(sys.argv[1:])
