"""A client that gets all it needs from a bundle of "zcert bundle": bundle.py [BUNDLE]"""
import re
import sys

import zmq

BUNDLE = "alice.bundle"


def load_bundle(path):
    """Returns the values in a bundle, by section and name."""
    found, section = {}, ""
    for line in open(path, encoding="utf-8"):
        if match := re.match(r"""    ([\w-]+) = (["'])(.*)\2$""", line):
            found.setdefault((section, match[1]), []).append(match[3])
        elif re.match(r"\w", line):
            section = line.strip()
    return found


def main(path):
    bundle = load_bundle(path)
    client = zmq.Context().socket(zmq.REQ)  # the type that fits your service
    client.curve_publickey = bundle["curve", "public-key"][0].encode()
    client.curve_secretkey = bundle["curve", "secret-key"][0].encode()
    client.curve_serverkey = bundle["service", "server-key"][0].encode()
    client.linger = 0
    for endpoint in bundle["service", "endpoint"]:
        client.connect(endpoint)
    client.send(b"good morning")
    if not client.poll(10_000):
        sys.exit("no reply within 10 seconds: try zcert probe " + path)
    print("reply:", client.recv_string())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else BUNDLE)
