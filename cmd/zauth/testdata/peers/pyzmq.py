"""Ask pyzmq's authenticator about known CURVE clients: pyzmq.py DIR SECONDS IN_FLIGHT"""
import os
import sys
import time

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

directory, seconds, in_flight = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
context = zmq.Context.instance()
auth = ThreadAuthenticator(context)
auth.start()
auth.configure_curve(domain="payments", location=directory)
name = sorted(n for n in os.listdir(directory) if n.endswith(".key"))[0]
key, _ = zmq.auth.load_certificate(os.path.join(directory, name))
request = [b"", b"1.0", b"1", b"payments", b"192.0.2.1", b"", b"CURVE", zmq.utils.z85.decode(key)]
client = context.socket(zmq.DEALER)
client.connect("inproc://zeromq.zap.01")
client.send_multipart(request)
assert client.recv_multipart()[3] == b"200"
for _ in range(in_flight):
    client.send_multipart(request)
count, start = 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    for _ in range(64):
        client.recv_multipart()
        client.send_multipart(request)
    count += 64
print(count / (time.perf_counter() - start))
os._exit(0)
