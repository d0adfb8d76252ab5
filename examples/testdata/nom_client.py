"""A client of NOM with SASL, by hand, on pyzmq: ANONYMOUS, PLAIN and SCRAM-SHA-256."""

import base64
import hashlib
import hmac
import secrets
import sys

import zmq

endpoint, mechanism, user, password = sys.argv[1:]


def talk(*frames):
    dealer.send_multipart(frames)
    if not dealer.poll(60_000):
        sys.exit("no answer")
    return dealer.recv_multipart()


def respond(response):
    """Send a response and return the challenge that follows."""
    command, *fields = talk(b"YARLY", mechanism.encode(), response)
    if command == b"OHAI-OK":
        return None
    if command != b"ORLY":
        sys.exit(b" ".join([command, *fields]).decode())
    return fields[-1]


def mac(key, text):
    return hmac.digest(key, text, "sha256")


def scram():
    """RFC 5802 and RFC 7677. Without SASLprep, which changes no ASCII."""
    first = f"n={user},r={secrets.token_urlsafe(18)}".encode()
    server_first = respond(b"n,," + first)
    fields = dict(f.split("=", 1) for f in server_first.decode().split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    final = b"c=biws,r=" + fields["r"].encode()
    signed = b",".join([first, server_first, final])
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    server_final = respond(final + b",p=" + base64.b64encode(proof))
    if server_final != b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), signed)):
        sys.exit("the server does not know the password")
    return respond(b"")


dealer = zmq.Context().socket(zmq.DEALER)
dealer.linger = 0
dealer.connect(endpoint)
offer = talk(b"OHAI")
if mechanism.encode() not in offer[1:-1]:
    sys.exit(f"not offered: {offer}")
end = {
    "ANONYMOUS": lambda: respond(b""),
    "PLAIN": lambda: respond(f"\0{user}\0{password}".encode()),
    "SCRAM-SHA-256": scram,
}[mechanism]()
if end is not None:
    sys.exit("the exchange does not end")
print(b" ".join(talk(b"ICANHAZ", b"cheezburger")).decode(), b" ".join(talk(b"HUGZ")).decode())
