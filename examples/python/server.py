"""A service that asks zauth about each client:

    server.py ENDPOINT CERTIFICATE ZAUTH [ZAUTH_CERTIFICATE]

With zauth's public certificate, the service asks over CURVE.
"""
import sys
import threading

import zmq
import zmq.auth


def ask_zauth(context, zauth, certificate, zauth_certificate=None):
    """Forward the ZAP requests of all sockets in this context to zauth."""
    inside = context.socket(zmq.ROUTER)
    inside.bind("inproc://zeromq.zap.01")
    outside = context.socket(zmq.DEALER)
    if zauth_certificate:
        outside.curve_publickey, outside.curve_secretkey = zmq.auth.load_certificate(certificate)
        outside.curve_serverkey, _ = zmq.auth.load_certificate(zauth_certificate)
    outside.connect(zauth)
    threading.Thread(target=zmq.proxy, args=(inside, outside), daemon=True).start()


def main(endpoint, certificate, zauth, zauth_certificate=None):
    context = zmq.Context()
    # Start before the first server socket binds.
    ask_zauth(context, zauth, certificate, zauth_certificate)
    server = context.socket(zmq.REP)
    server.curve_publickey, server.curve_secretkey = zmq.auth.load_certificate(certificate)
    server.curve_server = True
    server.zap_domain = b"hello"
    server.setsockopt(93, 1)  # ZMQ_ZAP_ENFORCE_DOMAIN: admit no one without an answer
    server.bind(endpoint)
    print("serving on", server.last_endpoint.decode(), flush=True)
    while True:
        request = server.recv_multipart(copy=False)
        server.send_string("hello " + request[0]["User-Id"])


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
