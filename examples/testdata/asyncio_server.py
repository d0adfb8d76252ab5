"""The service of ../python/server.py with zmq.asyncio."""

import asyncio
import pathlib
import sys

import zmq.asyncio
import zmq.auth

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))
from server import ask_zauth


async def main(endpoint, certificate, zauth):
    context = zmq.asyncio.Context()
    ask_zauth(context, zauth, certificate)
    server = context.socket(zmq.REP)
    server.curve_publickey, server.curve_secretkey = zmq.auth.load_certificate(certificate)
    server.curve_server = True
    server.zap_domain = b"hello"
    server.setsockopt(93, 1)
    server.bind(endpoint)
    print("serving on", server.last_endpoint.decode(), flush=True)
    while True:
        request = await server.recv_multipart(copy=False)
        await server.send_string("hello " + request[0]["User-Id"])


asyncio.run(main(*sys.argv[1:]))
