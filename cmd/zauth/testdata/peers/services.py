"""Services of pyzmq that ask zauth, and clients that come to them: services.py ZAUTH DIR

Prints a line for each client: its domain, its name, and what became of it.
"""
import itertools
import os
import sys
import threading

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

zauth, directory = sys.argv[1], sys.argv[2]
PATIENCE = 60_000
count = itertools.count()


def end_with_stdin():
    sys.stdin.read()
    os._exit(1)


threading.Thread(target=end_with_stdin, daemon=True).start()
servers, clients = zmq.Context(), zmq.Context()
inside, outside = servers.socket(zmq.ROUTER), servers.socket(zmq.DEALER)
inside.bind("inproc://zeromq.zap.01")
outside.connect(zauth)
threading.Thread(target=zmq.proxy, args=(inside, outside), daemon=True).start()
server_public, server_secret = zmq.curve_keypair()


def serve(domain, mechanism):
    server = servers.socket(zmq.PULL)
    server.rcvtimeo = server.handshake_ivl = PATIENCE
    server.zap_domain = domain.encode()
    if mechanism == "PLAIN":
        server.plain_server = True
    elif mechanism == "CURVE":
        server.curve_publickey, server.curve_secretkey, server.curve_server = server_public, server_secret, True
    server.bind("tcp://127.0.0.1:*")
    return server, server.last_endpoint


def come(domain, name, mechanism, login=None, password=None):
    server, endpoint = serve(domain, mechanism)
    # libzmq's PLAIN clients don't understand a refusal, so it is the server that is asked.
    # Not get_monitor_socket, which takes its name from a file descriptor: such a number
    # comes again before libzmq has given up the name.
    name_of_monitor = f"inproc://monitor-{next(count)}"
    server.monitor(name_of_monitor, zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    monitor = servers.socket(zmq.PAIR)
    monitor.rcvtimeo = PATIENCE
    monitor.connect(name_of_monitor)
    client = clients.socket(zmq.PUSH)
    client.linger = 0
    client.handshake_ivl = PATIENCE
    if mechanism == "PLAIN":
        client.plain_username, client.plain_password = login.encode(), password.encode()
    elif mechanism == "CURVE":
        client.curve_publickey, client.curve_secretkey = zmq.auth.load_certificate(os.path.join(directory, name + ".key_secret"))
        client.curve_serverkey = server_public
    client.connect(endpoint)
    event = recv_monitor_message(monitor)
    outcome = f"refused {event['value']}"
    if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        client.send(b"hello")
        message = server.recv(copy=False)

        def property(name):
            try:
                return message.get(name)
            except zmq.ZMQError:
                return "-"

        # Not "group", which pyzmq takes for that of RADIO and DISH.
        outcome = f"user={property('User-Id')} desk={property('Claim-desk')}"
    print(domain, name, outcome, flush=True)


come("lan", "anybody", "NULL")
come("closed", "anybody", "NULL")
come("passwords", "right", "PLAIN", "guest", "hunter2")
come("passwords", "wrong", "PLAIN", "guest", "hunter3")
come("passwords", "unknown", "PLAIN", "nobody", "hunter2")
for domain in ("known", "groups", "signed"):
    for name in ("trader", "guest", "signed", "expired", "revoked", "stranger"):
        come(domain, name, "CURVE")
os._exit(0)
