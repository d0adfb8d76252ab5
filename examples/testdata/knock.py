"""Tries to connect to a server, and prints how each handshake ends:

    knock.py ENDPOINT CERTIFICATE SERVER_CERTIFICATE TRIES MILLISECONDS

It exits when it is admitted or refused, or after TRIES handshakes, each of which may take
MILLISECONDS.
"""
import sys

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

OUTCOMES = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "admitted",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "wrong protocol",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "no decision",
}


def main(endpoint, certificate, server_certificate, tries, milliseconds):
    client = zmq.Context().socket(zmq.REQ)
    client.linger = 0
    client.handshake_ivl = milliseconds
    client.curve_publickey, client.curve_secretkey = zmq.auth.load_certificate(certificate)
    client.curve_serverkey, _ = zmq.auth.load_certificate(server_certificate)
    monitor = client.get_monitor_socket()
    client.connect(endpoint)
    while tries and monitor.poll(60_000):
        outcome = OUTCOMES.get(recv_monitor_message(monitor)["event"])
        if outcome:
            print(outcome)
            tries -= 1
            if outcome in ("admitted", "refused"):
                return


main(*sys.argv[1:4], *map(int, sys.argv[4:]))
