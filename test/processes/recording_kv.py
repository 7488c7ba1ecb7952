"""examples/python-kv with a memory for what it was given: proves that no index is applied twice, or out of order.

GET /_record answers {"applied", "violations", "entries", "digest"}: the digest covers every (index, command) in order.
"""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.environ["KV_FOLDER"])
import kv  # noqa: E402


class RecordingReplica(kv.Replica):
    snapshots = "NONE"  # the record is of what came as entries

    def __init__(self, path):
        super().__init__(path)
        self.last, self.violations, self.entries, self.digest = 0, 0, 0, hashlib.sha256()

    def apply(self, batch):
        for entry in batch.get("entries", ()):
            if entry["index"] <= self.last:
                self.violations += 1
            self.last = entry["index"]
            self.entries += 1
            self.digest.update(b"%d:%s;" % (entry["index"], entry["command"].encode()))
        super().apply(batch)


def get(handler, key, query, plain=kv.Handler.get):
    if key != "_record":
        return plain(handler, key, query)
    replica = handler.replica
    with replica.lock:
        record = {
            "applied": replica.applied,
            "violations": replica.violations,
            "entries": replica.entries,
            "digest": replica.digest.hexdigest(),
        }
    return handler.reply(200, json.dumps(record))


kv.Replica = RecordingReplica
kv.Handler.get = get
kv.main()
