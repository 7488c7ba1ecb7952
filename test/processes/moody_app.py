"""A state machine for tests that misbehaves when it is told to. One process is one life: it says hello once and never again.

  OUTRIGGER_SOCKET   the app socket
  --state FILE       keeps its position (and the log's hash there) in FILE after each batch, and begins from it
  --at N             says that it has applied N
  --hash HEX         says that this is the hash where it stands
  --protocol N       says hello in this protocol
  --version N        says that it knows this version of the commands
  --hash-every N     says at indexes that are multiples of N what its state is like

Lines on standard input change its mood:
  go            acknowledge, also what waited (the mood at the beginning)
  slow MS       acknowledge each batch after so long
  stall         read on, acknowledge nothing
  deaf          read nothing
  lie           acknowledge an entry that it was not given
  poison TEXT   a command that is TEXT cannot be applied
  cure          it can, from now on: resume
  flip          its state becomes another one
  die           at the next batch: change the state, and end before saying so

Lines on standard output: "welcome", "given THROUGH", "version V through THROUGH commands N", "failed INDEX", "flipped", "error CODE MESSAGE", "goodbye REASON".
"""
import argparse
import base64
import hashlib
import json
import os
import socket
import sys
import threading
import time

options = argparse.ArgumentParser()
options.add_argument("--state")
options.add_argument("--at", type=int, default=0)
options.add_argument("--hash")
options.add_argument("--protocol", type=int, default=1)
options.add_argument("--version", type=int, default=0)
options.add_argument("--hash-every", type=int, default=0)
args = options.parse_args()

lock = threading.Lock()
changed = threading.Condition(lock)
mood, delay, poison, dying = "go", 0.0, None, False
applied, failed_at, chain = args.at, None, None
state, checked, check = b"", 0, {}
waiting = []  # batches that are not acknowledged
if args.state and os.path.exists(args.state):
    with open(args.state) as file:
        applied, chain = json.load(file)
if args.hash:
    chain = base64.b64encode(bytes.fromhex(args.hash)).decode()

connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect(os.environ["OUTRIGGER_SOCKET"])


def say(*words):
    print(*words, flush=True)


def send(name, **body):
    connection.sendall(json.dumps({name: body}).encode() + b"\n")


def save():
    if args.state:
        with open(args.state + ".new", "w") as file:
            json.dump([applied, chain], file)
        os.replace(args.state + ".new", args.state)


def drain():
    """Applies what waits, if the mood is so."""
    if mood != "go":
        return
    for batch in waiting:
        if int(batch["through"]) > applied and failed_at is None:
            apply(batch)
    waiting.clear()


def look(index):
    global checked, check
    if args.hash_every and index - index % args.hash_every > checked:
        checked = index - index % args.hash_every
        check = {"stateHash": {"index": checked, "hash": base64.b64encode(hashlib.sha256(state).digest()).decode()}}


def apply(batch):
    global applied, chain, failed_at, state, check
    through, results = int(batch["through"]), []
    for entry in batch.get("entries", ()):
        look(int(entry["index"]) - 1)
        command = base64.b64decode(entry.get("command", "")).decode()
        if poison is not None and command == poison:
            failed_at = int(entry["index"])
            break
        state = hashlib.sha256(state + command.encode()).digest()
        results.append({"index": entry["index"], "result": entry.get("command", "")})
    applied = failed_at - 1 if failed_at else through
    chain = None if failed_at else batch["hash"]
    save()
    if dying:
        os._exit(9)
    look(applied)
    send("applied", through=applied, results=results, **check)
    check = {}
    if failed_at:
        send("applyFailed", index=failed_at, code="POISON", message="this app cannot apply " + poison)
        say("failed", failed_at)


def listen():
    global mood, delay, poison, dying, failed_at, state
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        with changed:
            if word in ("go", "stall", "deaf"):
                mood, delay = word, 0.0
            elif word == "slow":
                mood, delay = "go", int(rest) / 1000
            elif word == "poison":
                poison = rest
            elif word == "flip":
                state = b"flipped" + state
                say("flipped")
            elif word == "die":
                dying = True
            elif word == "lie":
                send("applied", through=applied + 1000, results=[])
            elif word == "cure":
                poison, failed_at = None, None
                send("resume", **{"from": applied + 1})
            drain()
            changed.notify_all()
    os._exit(0)  # whoever held us is gone


def main():
    machine = {"appliedIndex": applied, "snapshots": "NONE"}
    if args.version:
        machine["version"] = args.version
    if chain is not None:
        machine["appliedHash"] = chain
    send("hello", protocol=args.protocol, app="moody", stateMachine=machine)
    threading.Thread(target=listen, daemon=True).start()
    for line in connection.makefile("rb"):
        ((name, body),) = json.loads(line).items()
        if name == "entries":
            say("given", body["through"])
            if args.version:
                say("version", body.get("version", 0), "through", body["through"], "commands", len(body.get("entries", ())))
            with changed:
                waiting.append(body)
                if mood == "deaf":
                    changed.wait_for(lambda: mood != "deaf")
            time.sleep(delay)
            with changed:
                drain()
        elif name == "welcome":
            say("welcome")
        elif name == "error":
            say("error", body["code"], body.get("message", ""))
        elif name == "goodbye":
            say("goodbye", body.get("reason", ""))


main()
