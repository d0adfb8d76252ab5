"""Drive a Jupyter kernel as notebooks do: kernel.py CELL WANT COMMAND...

COMMAND starts the kernel; {connection_file} stands for its connection file. The output of
CELL must contain WANT.
"""

import sys
import time

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.session import Session

PATIENCE = 120

cell, want, command = sys.argv[1], sys.argv[2], sys.argv[3:]
manager = KernelManager()
manager._kernel_spec = KernelSpec(argv=command, display_name="Go", language="go")
manager.start_kernel()


def run(client):
    """Run the cell, and check which messages the kernel publishes."""
    seen, output = [], []

    def hook(msg):
        seen.append(msg["msg_type"])
        output.append(msg["content"].get("text", ""))

    reply = client.execute_interactive(cell, timeout=PATIENCE, output_hook=hook)
    assert reply["content"]["status"] == "ok", reply["content"]
    assert want in "".join(output), (seen, output)
    assert "execute_input" in seen and seen[-1] == "status", seen


def connect():
    """Connect a client, with an identity of its own."""
    client = manager.client(session=Session(key=manager.session.key))
    client.start_channels()
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            client.wait_for_ready(2)
            return client
        except RuntimeError:  # also if the kernel has ended
            if not manager.is_alive() or time.monotonic() > give_up:
                raise


try:
    first = connect()
    run(first)
    second = connect()
    run(second)
    second.stop_channels()
    for _ in range(20):
        run(first)
    assert first.hb_channel.is_beating() and manager.is_alive()
    first.stop_channels()
finally:
    manager.shutdown_kernel(now=True)
