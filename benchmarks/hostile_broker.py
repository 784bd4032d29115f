"""A small MQTT broker, 5 and 3.1.1, that has the manners it is given."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 0x21, 0x24, 0x25, 0x27


@dataclass
class Published:
    """A message as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_bytes: int


@dataclass
class Manners:
    """How the broker behaves.

    Attributes
    ----------
    limits : bytes
        Properties of its CONNACK.
    acknowledges : callable
        Returns the number to acknowledge, or None, for a message and its number.
    ends_over : callable
        Whether it ends the connection over a message.
    bye : int or None
        The reason code it gives then, with version 5.
    receive : int or None
        How many messages it takes before it ends the connection, as the standard says, over one too many.
    refuses_connect : callable
        The reason code for a CONNECT's flags; 0 lets in.
    refuses_topic : callable
        The reason code for a topic that is subscribed to; 1 allows it.
    """

    limits: bytes = b""
    acknowledges: Callable[[Published, int], int | None] = lambda _message, mid: mid
    ends_over: Callable[[Published], bool] = lambda _message: False
    bye: int | None = None
    receive: int | None = None
    acknowledges_after_s: float = 0.0
    refuses_connect: Callable[[int], int] = lambda _flags: 0
    refuses_topic: Callable[[str], int] = lambda _topic: 1


@dataclass
class HostileBroker:
    """What runs, and what it has seen."""

    port: int
    manners: Manners
    heard: list[Published] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)
    wills_retained: list[bool] = field(default_factory=list)
    open: list[socket.socket] = field(default_factory=list)

    def hang_up(self) -> None:
        """End all connections."""
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def alerts(self) -> list[bytes]:
        """Return the alerts it has heard, as they came."""
        return [message.payload for message in self.heard if message.topic.endswith("/alerts")]


@contextmanager
def hostile_broker(manners: Manners) -> Iterator[HostileBroker]:
    """Run a broker of such manners, which may be changed while it runs."""
    with socket.create_server((HOST, 0)) as server:
        broker = HostileBroker(server.getsockname()[1], manners)
        stopped = threading.Event()
        threads: list[threading.Thread] = []

        def accept() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                thread = threading.Thread(target=_serve, args=(broker, connection, stopped))
                threads.append(thread)
                thread.start()

        server.settimeout(0.1)
        acceptor = threading.Thread(target=lambda: [accept() for _ in iter(stopped.is_set, True)])
        acceptor.start()
        yield broker
        stopped.set()
        acceptor.join()
        for thread in threads:
            thread.join()


def _serve(broker: HostileBroker, connection: socket.socket, stopped: threading.Event) -> None:
    broker.open.append(connection)
    with connection, suppress(OSError, _EndedError):
        connection.settimeout(0.1)
        _Session(broker, connection, stopped).run()


class _EndedError(Exception):
    """The connection is over."""


class _Session:
    def __init__(self, broker: HostileBroker, connection: socket.socket, stopped: threading.Event) -> None:
        self._broker, self._connection, self._stopped = broker, connection, stopped
        self._five = True
        self._due: list[tuple[float, int]] = []

    def run(self) -> None:
        while not self._stopped.is_set():
            kind, body, size = self._packet()
            {1: self._on_connect, 3: self._on_publish, 8: self._on_subscribe, 12: self._on_ping}.get(
                kind >> 4, lambda *_: None
            )(kind, body, size)
            if kind >> 4 == 14:
                return

    def _read(self, n: int) -> bytes:
        out = b""
        while len(out) < n:
            self._acknowledge_due()
            try:
                more = self._connection.recv(n - len(out))
            except TimeoutError:
                if self._stopped.is_set():
                    raise _EndedError from None
                continue
            if not more:
                raise _EndedError
            out += more
        return out

    def _packet(self) -> tuple[int, bytes, int]:
        kind, length, shift, head = self._read(1)[0], 0, 0, 1
        while True:
            byte = self._read(1)[0]
            head += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return kind, self._read(length), head + length

    def _send(self, kind: int, body: bytes) -> None:
        self._connection.sendall(bytes([kind, len(body)]) + body)

    def _on_connect(self, _kind: int, body: bytes, _size: int) -> None:
        self._five, flags = body[6] == 5, body[7]
        self._broker.connections.append(time.monotonic())
        self._broker.wills_retained.append(bool(flags & 0x20))
        code = self._broker.manners.refuses_connect(flags)
        limits = self._broker.manners.limits
        self._send(0x20, bytes([0, code]) + (bytes([len(limits)]) + limits if self._five else b""))
        if code:
            raise _EndedError

    def _on_subscribe(self, _kind: int, body: bytes, _size: int) -> None:
        at = 3 + body[2] if self._five else 2
        (length,) = struct.unpack_from(">H", body, at)
        code = self._broker.manners.refuses_topic(body[at + 2 : at + 2 + length].decode())
        self._send(0x90, body[:2] + (b"\0" if self._five else b"") + bytes([code]))

    def _on_ping(self, *_: Any) -> None:
        self._send(0xD0, b"")

    def _on_publish(self, kind: int, body: bytes, size: int) -> None:
        qos = kind >> 1 & 3
        (length,) = struct.unpack_from(">H", body)
        at = 2 + length
        mid = 0
        if qos:
            (mid,) = struct.unpack_from(">H", body, at)
            at += 2
        if self._five:
            at += 1 + body[at]
        message = Published(body[2 : 2 + length].decode(), body[at:], qos, bool(kind & 1), size)
        manners = self._broker.manners
        if manners.ends_over(message):
            self._end(manners.bye)
        self._broker.heard.append(message)
        if qos:
            if manners.receive is not None and len(self._due) >= manners.receive:
                self._end(0x93)
            self._due.append((time.monotonic() + manners.acknowledges_after_s, mid))
            self._acknowledge_due(message)

    def _end(self, code: int | None) -> None:
        if code is not None and self._five:
            self._send(0xE0, bytes([code, 0]))
        raise _EndedError

    def _acknowledge_due(self, message: Published | None = None) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, mid = self._due.pop(0)
            answer = self._broker.manners.acknowledges(message or self._broker.heard[-1], mid)
            if answer is not None:
                self._send(0x40, struct.pack(">H", answer))
