#!/usr/bin/env python3
"""Prints exchanges of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as JSON, for scram.json.

Written from RFC 5802, RFC 7677 and XEP-0474 with the hashes of Python's library, and
without package sasl. The first exchange is that of RFC 7677, section 3.
"""

import base64
import hashlib
import hmac
import json


def b64(data):
    return base64.b64encode(data).decode()


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def exchange(name, username="user", prepared="pencil", offered=(), binding=b"", flag="n",
             salt="W22ZaJ0SNY7soEsUEjb6gQ==", iterations=4096):
    nonce, more = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    header = flag + ",,"
    bare = "n=" + username.replace("=", "=3D").replace(",", "=2C") + ",r=" + nonce
    server_first = f"r={nonce}{more},s={salt},i={iterations}"
    if offered:
        names = b"\x1e".join(sorted(o.encode() for o in offered))
        server_first += ",h=" + b64(hashlib.sha256(names).digest())
    without_proof = f"c={b64(header.encode() + binding)},r={nonce}{more}"
    auth = ",".join([bare, server_first, without_proof])
    salted = hashlib.pbkdf2_hmac("sha256", prepared.encode(), base64.b64decode(salt), iterations)
    client_key = mac(salted, "Client Key")
    server_key = mac(salted, "Server Key")
    stored_key = hashlib.sha256(client_key).digest()
    proof = bytes(a ^ b for a, b in zip(client_key, mac(stored_key, auth)))
    return {
        "name": name,
        "username": username,
        "password": prepared,
        "offered": list(offered),
        "binding": binding.hex(),
        "flag": flag,
        "verifier": f"SCRAM-SHA-256${iterations}:{salt}${b64(stored_key)}:{b64(server_key)}",
        "clientNonce": nonce,
        "serverNonce": more,
        "clientFirst": header + bare,
        "serverFirst": server_first,
        "clientFinal": without_proof + ",p=" + b64(proof),
        "serverFinal": "v=" + b64(mac(server_key, auth)),
    }


bound = bytes(range(32))
print(json.dumps([
    exchange("RFC 7677"),
    exchange("offer", offered=["SCRAM-SHA-256", "PLAIN"]),
    exchange("escapes and UTF-8", username="a=b,c=2C", prepared="p\u00e4ss=,w\u00f6rd"),
    exchange("binding that the server does not offer", offered=["SCRAM-SHA-256"], binding=b"", flag="y"),
    exchange("binding", offered=["SCRAM-SHA-256-PLUS", "CURVE", "SCRAM-SHA-256"], binding=bound, flag="p=curvezmq"),
    exchange("binding alone", offered=["SCRAM-SHA-256-PLUS"], binding=bound, flag="p=curvezmq",
             salt=b64(bytes(8)), iterations=5000),
], indent=1))
