"""An MQTT broker inside this process, for the demo: amqtt on a free port of the loopback interface."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edge.errors import EcgEdgeError, how_to_install

_CLOSE_S = 0.2
"""Connections that it has closed are over a little later."""
_START_TIMEOUT_S = 10.0
_HOST = "127.0.0.1"


@contextmanager
def embedded_broker() -> Iterator[str]:
    """Run a broker; yield its address.

    Raises
    ------
    EcgEdgeError
        If amqtt is not installed or does not start.
    """
    try:
        from amqtt.broker import Broker  # noqa: PLC0415  (only the demo needs it)
    except ImportError as error:
        raise EcgEdgeError("the embedded broker (amqtt) is not installed", how_to_install("demo")) from error
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    port = _free_port()
    running, failures = threading.Event(), list[Exception]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{_HOST}:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        try:
            await broker.start()
        except Exception as error:  # whatever the library raises is told by the thread that waits
            failures.append(error)
            return
        finally:
            running.set()
        await stop.wait()
        await broker.shutdown()
        await asyncio.sleep(_CLOSE_S)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="broker", daemon=True)
    thread.start()
    if not running.wait(_START_TIMEOUT_S) or failures:
        raise EcgEdgeError(f"the embedded broker does not start: {failures[0] if failures else 'no answer'}")
    try:
        yield f"mqtt://{_HOST}:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_START_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
