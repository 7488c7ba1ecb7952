"""examples/python-kv with more commands, a version for each key, and a look at the state that asks nobody.

Commands are {"op", "key", "id", ...}; test/linearizability/model.ts says what each does. `GET /_peek/KEY` answers
{"applied", "version", "value"} as this copy has it now: whoever asks must have been told by the sidecar that it may.
It ends when its standard input does: whoever started it is gone.
"""
import json
import os
import re
import sys
import threading

sys.path.insert(0, os.environ["KV_FOLDER"])
import kv  # noqa: E402

WHOLE = re.compile(r"-?\d{1,15}")


class VersionedReplica(kv.Replica):
    """`state` maps a key to (version, value); the value is None after a delete."""

    snapshots = "NONE"  # those of kv.py know only texts

    def execute(self, command):
        request = json.loads(command)
        version, value = self.state.get(request["key"], (0, None))
        changes, after = self.changed(request, version, value)
        if changes:
            version += 1
            self.state[request["key"]] = (version, after)
        result = {"version": version, "existed": value is not None, "done": changes}
        return {**result, "value": after} if request["op"] == "add" else result

    def changed(self, request, version, value):
        """Whether the command changes anything, and the value it leaves behind."""
        operation = request["op"]
        if operation == "put":
            return True, request["value"]
        if operation == "append":
            return True, (value or "") + request["value"]
        if operation == "add":
            old = "0" if value is None else value
            whole = WHOLE.fullmatch(old) is not None
            return whole, str(int(old) + request["delta"]) if whole else value
        if operation == "cas":
            fits = version == request["version"]
            return fits, request["value"] if fits else value
        if operation == "delete":
            return value is not None, None
        raise ValueError("not a command of this app: %s" % operation)


def get(handler, key, query, plain=kv.Handler.get):
    if not key.startswith("_peek/"):
        return plain(handler, key, query)
    replica = handler.replica
    with replica.lock:
        version, value = replica.state.get(key[len("_peek/") :], (0, None))
        body = {"applied": replica.applied, "version": version, "value": value}
    return handler.reply(200, body)


def line(name, plain=kv.line, **body):
    """Says hello under the name that we were given: so that it is known which copy the sidecar speaks with."""
    return plain(name, **{**body, "app": os.environ["KV_NAME"]} if name == "hello" else body)


def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
kv.Replica = VersionedReplica
kv.Handler.get = get
kv.line = line
kv.main()
