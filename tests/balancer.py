"""One address for several nodes, as a load balancer gives: each connection goes to the first that takes it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from broker import HOST


@contextmanager
def balanced(nodes: Callable[[], Sequence[int]]) -> Iterator[int]:
    """Yield the port of a balancer of the nodes that are there, in their order, when somebody connects."""
    with socket.create_server((HOST, 0)) as listener:
        accepting = threading.Thread(target=_accept, args=(listener, nodes), daemon=True)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, nodes: Callable[[], Sequence[int]]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        node = _first(nodes())
        if node is None:
            client.close()
            continue
        for from_, to in ((client, node), (node, client)):
            threading.Thread(target=_pump, args=(from_, to), daemon=True).start()


def _first(ports: Sequence[int]) -> socket.socket | None:
    for port in ports:
        with suppress(OSError):
            return socket.create_connection((HOST, port), timeout=5)
    return None


def _pump(from_: socket.socket, to: socket.socket) -> None:
    """Pass on what comes; an end of one is the end of both."""
    with suppress(OSError):
        to.settimeout(None)
        while data := from_.recv(65536):
            to.sendall(data)
    for each in (from_, to):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    # The other way's thread sees its end, too; who is last lets go of both.
    from_.close()
