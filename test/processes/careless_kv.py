"""examples/python-kv with a mistake that people make: a command whose effect is not the same on every node."""
import json
import os
import sys

sys.path.insert(0, os.environ["KV_FOLDER"])
import kv  # noqa: E402


class CarelessReplica(kv.Replica):
    def execute(self, command):
        request = json.loads(command)
        if request["key"] == "careless":
            request["value"] += " at process %d" % os.getpid()
        return super().execute(json.dumps(request).encode())


kv.Replica = CarelessReplica
kv.main()
