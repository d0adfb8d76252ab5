"""A service whose clients zauth lets in: server.py ENDPOINT CERTIFICATE ZAUTH"""
import sys
import threading

import zmq
import zmq.auth


def ask_zauth(context, zauth):
    """Forward the ZAP requests of all sockets in this context to zauth."""
    inside = context.socket(zmq.ROUTER)
    inside.bind("inproc://zeromq.zap.01")
    outside = context.socket(zmq.DEALER)
    outside.connect(zauth)
    threading.Thread(target=zmq.proxy, args=(inside, outside), daemon=True).start()


def main(endpoint, certificate, zauth):
    context = zmq.Context()
    ask_zauth(context, zauth)  # before the first server socket binds
    server = context.socket(zmq.REP)
    server.curve_publickey, server.curve_secretkey = zmq.auth.load_certificate(certificate)
    server.curve_server = True
    server.bind(endpoint)
    print("serving on", server.last_endpoint.decode(), flush=True)
    while True:
        request = server.recv(copy=False)
        server.send_string("hello " + request["User-Id"])


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
