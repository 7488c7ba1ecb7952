"""Writes keys through a running cluster of examples/python-kv, each exactly once, whatever dies meanwhile.

    node bin/outrigger.mjs dev -- python3 examples/python-kv/kv.py     # in one terminal, and in another:
    python3 examples/clients/put.py                                    # the sidecars that run here, or their app sockets as arguments

While it runs, kill a sidecar (kill -9): the client goes on at another node, under the same numbers.
"""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "clients", "python"))
import outrigger  # noqa: E402

KEYS = int(os.environ.get("KEYS", "1000"))


def sockets():
    """The app sockets of the sidecars of this machine, from the files by which tools find them."""
    run = os.environ.get("XDG_RUNTIME_DIR") or os.path.expanduser("~/.outrigger/run")
    files = sorted(glob.glob(os.path.join(run, "outrigger", "*", "*.json")))
    return [json.load(open(file))["appSocket"] for file in files]


def main():
    addresses = sys.argv[1:] or sockets()
    if not addresses:
        sys.exit("no sidecar runs here: start some, or name their app sockets")
    with outrigger.connect(addresses) as cluster, cluster.session() as session:
        # Several in flight, in order: `submit` does not wait for the answer, `propose` would.
        calls = []
        for n in range(KEYS):
            command = json.dumps({"op": "put", "key": "key%d" % n, "value": str(n)})
            calls.append(session.submit(command, timeout=60))
        last, again = calls[-1].result(), sum(call.result().duplicate for call in calls)
        print("%d keys written, the last at index %d; %d were answered again after a retry" % (KEYS, last.index, again))
        read = cluster.read_monotonic()
        print("the app beside %s holds all of them: it has applied %d" % (read.node, read.index))


if __name__ == "__main__":
    main()
