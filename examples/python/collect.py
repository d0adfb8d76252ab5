"""Prints the decisions of several zauths: collect.py ENDPOINT...

Each ENDPOINT is that of zauth serve --publish, by ipc. Over TCP, the socket also needs the keys
of CURVE, as in client.py."""
import json
import sys

import zmq


def main(endpoints):
    decisions = zmq.Context().socket(zmq.SUB)
    decisions.subscribe(b"")  # or b"400" for refusals, or b"400 payments" for those of a domain
    for endpoint in endpoints:
        decisions.connect(endpoint)
    last = {}  # the number of the last message, by zauth and topic
    while True:
        topic, text = decisions.recv_multipart()
        d = json.loads(text)
        source = d["host"], d["endpoint"], topic
        number = d.get("sequence", 0)
        lost = number - last.get(source, number) - 1
        if lost > 0:
            print("lost", lost, "decisions of", d["endpoint"], file=sys.stderr)
        last[source] = number
        client = d.get("identity") or d.get("login") or d.get("principal") or d.get("fingerprint") or d["mechanism"]
        if not client.isprintable():  # a user name, which could control the terminal
            client = ascii(client)
        print(d["endpoint"], d["status"], client, d.get("reason", ""), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        pass
