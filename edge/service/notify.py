"""Tells the service manager how this process is: sd_notify(3), and nothing else of systemd.

The watchdog is fed from the loop that processes samples. A timer would feed it while that loop hangs.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

# sd_watchdog_enabled(3) asks for twice an interval; a third forgives one block that takes long.
_FEEDINGS_PER_INTERVAL = 3


class Notifier:
    """Speaks to the service manager; says nothing where there is none.

    Parameters
    ----------
    address : str or None
        The manager's datagram socket: a path, or `@` and a name in the abstract namespace.
    watchdog_s : float or None
        After so long without a word the manager takes this process for hung.
    now_s : callable
        The monotonic clock.
    """

    def __init__(
        self, address: str | None = None, watchdog_s: float | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._every_s = None if watchdog_s is None else watchdog_s / _FEEDINGS_PER_INTERVAL
        self._now_s = now_s
        self._fed_s = -float("inf")
        self._ready = False
        self._said: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Notifier:
        """Return who speaks to the manager that started this process, as the environment says."""
        env = os.environ if environment is None else environment
        address = env.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        usec, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
        watched = usec.isdigit() and int(usec) > 0 and pid in ("", str(os.getpid()))
        return cls(address, int(usec) / 1e6 if watched else None)

    @property
    def watched(self) -> bool:
        """Whether there is a manager that listens."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """Say once that the service does its work, and what that is now."""
        if self._ready:
            self.status(status)
            return
        self._ready = True
        self._said = status
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """Say what the service does, if that is news."""
        if status != self._said:
            self._said = status
            self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog, if it is time again; to be called by the loop that must not hang."""
        if self._every_s is None:
            return
        now_s = self._now_s()
        if now_s - self._fed_s >= self._every_s:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends it."""
        if self._ready:
            self._ready = False
            self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """Say that the service is about to end."""
        self._said = status
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def _send(self, text: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.settimeout(1.0)
                manager.sendto(text.encode(), address)
        except OSError:
            # A manager that is away for a moment (systemctl daemon-reexec) must not stop the work.
            self._fed_s = -float("inf")


def _line(text: str) -> str:
    return " ".join(text.split())
