"""Drives a kernel as Jupyter's front ends do: jupyter_front_end.py CONNECTION_FILE [KERNEL]

With curve_publickey and curve_secretkey in the file, it connects as jupyter_client 8.9 does.
With KERNEL, Jupyter writes the file and starts the kernel.
"""
import json
import os
import sys

import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.channels import HBChannel
from jupyter_client.connect import channel_socket_types
from jupyter_client.kernelspec import KernelSpec

PATIENCE = 60


class CurveHeartbeat(HBChannel):
    """A heartbeat with a key pair of its own."""

    curve_serverkey = None

    def _create_socket(self):
        if self.socket is not None:
            self.poller.unregister(self.socket)
            self.socket.close()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.linger = 1000
        self.socket.curve_publickey, self.socket.curve_secretkey = zmq.curve_keypair()
        self.socket.curve_serverkey = self.curve_serverkey
        self.socket.connect(self.address)
        self.poller.register(self.socket, zmq.POLLIN)


class CurveClient(BlockingKernelClient):
    """A client whose other sockets use the kernel's pair as their own."""

    curve_publickey = None
    curve_secretkey = None

    def _create_connected_socket(self, channel, identity=None):
        sock = self.context.socket(channel_socket_types[channel])
        sock.linger = 1000
        if identity:
            sock.identity = identity
        sock.curve_secretkey = self.curve_secretkey
        sock.curve_publickey = self.curve_publickey
        sock.curve_serverkey = self.curve_publickey
        sock.connect(self._make_url(channel))
        return sock


def client(path):
    with open(path) as f:
        connection = json.load(f)
    if "curve_publickey" in connection:
        kc = CurveClient()
        kc.curve_publickey = connection["curve_publickey"].encode()
        kc.curve_secretkey = connection["curve_secretkey"].encode()
        CurveHeartbeat.curve_serverkey = kc.curve_publickey
        kc.hb_channel_class = CurveHeartbeat
    else:
        kc = BlockingKernelClient()
    kc.load_connection_file(path)
    kc.start_channels()
    kc.wait_for_ready(timeout=PATIENCE)
    return kc


def execute(kc, code):
    output = []
    reply = kc.execute_interactive(code, output_hook=output.append, timeout=PATIENCE)
    text = "".join(m["content"]["text"] for m in output if m["msg_type"] == "stream")
    print("output", reply["content"]["status"], reply["content"]["execution_count"], text, flush=True)


def main(path):
    kc = client(path)
    execute(kc, "first")
    other = client(path)
    execute(other, "second")
    other.stop_channels()
    execute(kc, "third")
    print("beating", kc.hb_channel.is_beating(), flush=True)
    # A message with a wrong signature is ignored.
    kc.session.key = b"wrong"
    kc.execute("forged")
    kc.session.key = json.load(open(path))["key"].encode()
    execute(kc, "fourth")
    kc.shutdown(reply=True, timeout=PATIENCE)
    print("shut down", flush=True)


def start(path, kernel):
    km = KernelManager(connection_file=path, transport="ipc", ip=os.path.join(os.path.dirname(path), "kernel"))
    km._kernel_spec = KernelSpec(argv=[kernel, "{connection_file}"], display_name="Echo", language="echo")
    km.start_kernel()
    kc = km.client()
    kc.start_channels()
    kc.wait_for_ready(timeout=PATIENCE)
    execute(kc, "first")
    km.interrupt_kernel()
    execute(kc, "second")
    km.restart_kernel()
    kc.wait_for_ready(timeout=PATIENCE)
    execute(kc, "after a restart")
    kc.stop_channels()
    km.shutdown_kernel()
    print("alive", km.is_alive(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        start(*sys.argv[1:])
