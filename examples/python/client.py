"""A client of server.py: client.py ENDPOINT CERTIFICATE SERVER_CERTIFICATE"""
import sys

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

FAILED = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        "refused by the server (HANDSHAKE_FAILED_AUTH %d)",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
        "failed: the server does not use the same mechanism (HANDSHAKE_FAILED_PROTOCOL %d)",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        "failed: wrong server key, or no answer in time (HANDSHAKE_FAILED_NO_DETAIL %d)",
}


def main(endpoint, certificate, server_certificate):
    client = zmq.Context().socket(zmq.REQ)
    client.linger = 0
    client.curve_publickey, client.curve_secretkey = zmq.auth.load_certificate(certificate)
    client.curve_serverkey, _ = zmq.auth.load_certificate(server_certificate)
    # Only the monitor of a socket reports that the server refused the client.
    monitor = client.get_monitor_socket()
    client.connect(endpoint)
    client.send(b"good morning")

    poller = zmq.Poller()
    poller.register(client, zmq.POLLIN)
    poller.register(monitor, zmq.POLLIN)
    while True:
        ready = dict(poller.poll(60_000))
        if not ready:
            sys.exit("no reply within a minute")
        if client in ready:
            print("reply:", client.recv_string())
            return
        event = recv_monitor_message(monitor)
        if event["event"] in FAILED:
            sys.exit(FAILED[event["event"]] % event["value"])


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
