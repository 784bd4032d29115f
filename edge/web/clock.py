"""Now, by two clocks: one to measure ages with, one to show."""

from __future__ import annotations

import time
from datetime import datetime

import msgspec


class Now(msgspec.Struct, frozen=True):
    """A moment of this machine.

    Attributes
    ----------
    mono_s : float
        By a clock that is never set; ages are differences of it.
    wall_s : float
        Seconds since 1970, for people.
    """

    mono_s: float
    wall_s: float

    @classmethod
    def read(cls) -> Now:
        """Return this moment."""
        return cls(time.monotonic(), time.time())

    @property
    def wall_ms(self) -> int:
        """Milliseconds since 1970, as browsers count."""
        return round(self.wall_s * 1000)

    @property
    def mono_ms(self) -> int:
        """Milliseconds by the clock that is never set."""
        return round(self.mono_s * 1000)

    def since(self, earlier: Now) -> float:
        """Return the seconds that passed since an earlier moment."""
        return self.mono_s - earlier.mono_s


def in_ms(time_utc: datetime) -> int:
    """Return a payload's time in milliseconds since 1970."""
    return round(time_utc.timestamp() * 1000)
