"""The one connection to the broker: hears what all devices publish, and carries commands to them."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

import paho.mqtt.client as paho

from edge.contract.topics import BASE, COMMAND
from edge.errors import SinkError
from edge.sinks.mqtt.broker import Broker
from edge.sinks.mqtt.connection import Connection, connect
from edge.sinks.mqtt.loop import Backoff, Waker
from edge.sinks.mqtt.publication import Publication
from edge.sinks.mqtt.settings import Version

_log = logging.getLogger(__name__)

# A broker that vanishes without a word is to be shown within five seconds: asked after two, given up after two more.
_KEEPALIVE_S = 2
# Alerts come with their strip, twelve leads of it perhaps.
_LARGEST_PACKET = 2_000_000
_LONGEST_WAIT_S = 5.0
_JOIN_S = 3.0

OnMessage = Callable[[str, bytes, bool], None]
"""Told topic, payload and whether it was retained, in the connection's thread."""

OnState = Callable[[str | None], None]
"""Told why there is no connection, None once there is one."""


class Subscriber:
    """Connected to the broker whenever that is there, from `start` to `close`.

    Parameters
    ----------
    broker : Broker
        Where to connect to.
    on_message, on_state : callable
        Told what arrives, and whether there is a connection.
    """

    def __init__(self, broker: Broker, on_message: OnMessage, on_state: OnState) -> None:
        self._broker = broker
        self._on_message, self._on_state = on_message, on_state
        self._commands: SimpleQueue[Publication] = SimpleQueue()
        self._waker = Waker()
        self._stop = threading.Event()
        self._connected = False
        self._client_id = f"ecg-edge-web-{secrets.token_hex(4)}"
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker is there, as far as is known."""
        return self._connected

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def command(self, device: str, payload: bytes) -> bool:
        """Send a command to a device; return whether there is a broker to take it."""
        if self._connected:
            self._commands.put(Publication(topic=COMMAND.of(device), payload=payload, qos=COMMAND.qos))
            self._waker.wake()
        return self._connected

    def close(self) -> None:
        """End the connection."""
        self._stop.set()
        self._waker.wake()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        backoff, spoken, told = Backoff(), self._broker.version, ""
        while not self._stop.is_set():
            try:
                connection = self._connect(spoken)
            except SinkError as error:
                why = str(error)
            else:
                backoff.connected()
                backoff.reset()
                spoken = connection.version
                why = self._listen(connection)
            if self._stop.is_set():
                break
            self._on_state(why)
            if why != told:
                told = why
                _log.warning("%s", why)
            self._waker.wait(min(backoff.wait_s(), _LONGEST_WAIT_S))

    def _connect(self, spoken: Version) -> Connection:
        return connect(
            self._broker,
            self._client_id,
            None,
            self._waker,
            spoken=spoken,
            lasting=False,
            wanted=lambda: not self._stop.is_set(),
            keepalive_s=_KEEPALIVE_S,
            largest_packet=_LARGEST_PACKET,
        )

    def _listen(self, connection: Connection) -> str:
        """Hear and send until it breaks; return why it did."""
        connection.on_message = self._arrived
        connection.subscribe(f"{BASE}/+/#", 1)
        self._forget_commands()
        self._connected = True
        self._on_state(None)
        try:
            while connection.alive and not self._stop.is_set():
                connection.turn(0.5)
                self._send(connection)
        except OSError as error:
            return f"{connection.where}: connection lost ({error.strerror or error})"
        finally:
            self._connected = False
            connection.close()
        return f"{connection.where}: {connection.ended or 'connection lost'}"

    def _send(self, connection: Connection) -> None:
        with contextlib.suppress(Empty):
            while True:
                connection.send(self._commands.get_nowait())

    def _forget_commands(self) -> None:
        """Forget what was asked for before: who asked has been told that it did not arrive."""
        with contextlib.suppress(Empty):
            while True:
                self._commands.get_nowait()

    def _arrived(self, message: paho.MQTTMessage) -> None:
        self._on_message(message.topic, bytes(message.payload), message.retain)
