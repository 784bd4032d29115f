"""Parts of a connection's own loop: waiting for the network or for work, and for how long after a failure."""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import time
from collections import deque
from typing import Any

import paho.mqtt.client as paho

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
# So many connections in so long are more than any network breaks by itself.
_QUICK, _QUICK_S = 5, 60.0
# A network that swallows everything is noticed after this long instead of after many minutes.
_UNACKNOWLEDGED_BYTES_MS = 10_000
_jitter = secrets.SystemRandom()


class Backoff:
    """How long to wait before the next attempt: twice as long each time, and never the same for two devices.

    Connections that are made and lost at once are rationed too: of two clients with one id each drives the other out.
    """

    def __init__(self) -> None:
        self._attempts = 0
        self._made: deque[float] = deque(maxlen=_QUICK)

    def reset(self) -> None:
        """Begin anew, for it worked."""
        self._attempts = 0

    def connected(self) -> None:
        """Note that a connection was made."""
        self._made.append(time.monotonic())

    @property
    def flapping(self) -> bool:
        """Whether connections are made and lost all the time."""
        return len(self._made) == _QUICK and time.monotonic() - self._made[0] < _QUICK_S

    def wait_s(self) -> float:
        """Return the next wait."""
        longest = min(FIRST_WAIT_S * 2**self._attempts, LONGEST_WAIT_S)
        self._attempts = min(self._attempts + 1, 30)
        wait_s = _jitter.uniform(longest / 2, longest)
        return max(wait_s, _jitter.uniform(0.5, 1.0) * _QUICK_S / _QUICK) if self.flapping else wait_s


class Waker:
    """Wakes the thread that waits at it."""

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair()
        for end in (self._out, self._in):
            end.setblocking(False)

    def fileno(self) -> int:
        """Return what `select` watches."""
        return self._out.fileno()

    def wake(self) -> None:
        """Wake it, now or when it next waits."""
        with contextlib.suppress(OSError):
            self._in.send(b"x")

    def wait(self, seconds: float) -> None:
        """Wait for the waker, at most so long."""
        select.select([self], [], [], seconds)
        self.clear()

    def clear(self) -> None:
        """Forget how often it rang."""
        with contextlib.suppress(OSError):
            while self._out.recv(4096):
                pass

    def close(self) -> None:
        """Take it down."""
        self._out.close()
        self._in.close()


def turn(client: paho.Client, waker: Waker, timeout_s: float) -> None:
    """Wait for the network or the waker, and let paho do its part."""
    network: Any = client.socket()
    if network is None:
        return
    # What TLS has decrypted already does not make the socket readable.
    rest = getattr(network, "pending", lambda: 0)()
    writing = [network] if client.want_write() else []
    readable, writable, _ = select.select([network, waker], writing, [], 0.0 if rest else timeout_s)
    if waker in readable:
        waker.clear()
    if network in readable or rest:
        client.loop_read()
    if writable:
        client.loop_write()
    client.loop_misc()


def drop(client: paho.Client, *, politely: bool = True) -> None:
    """Close the socket whatever state it is in, after a word to the broker if that is done politely."""
    network: Any = client.socket()
    if politely:
        with contextlib.suppress(OSError, ValueError):
            client.disconnect()
    if network is not None:
        # Without the shutdown the other end hears of it only when paho's own reference is collected.
        with contextlib.suppress(OSError):
            network.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            network.close()


def notice_black_holes(client: paho.Client) -> None:
    """Make the system give up a connection that takes bytes and never acknowledges them."""
    network: Any = client.socket()
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if network is not None and option is not None:
        with contextlib.suppress(OSError):
            network.setsockopt(socket.IPPROTO_TCP, option, _UNACKNOWLEDGED_BYTES_MS)
