"""What came and is not in the database yet: all that is owed to a broker, and the newest of what is not."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from edge.fleet.store.batch import Message

MOST_LIVE = 200_000
"""So many messages of QoS 0 wait while the database is away; the oldest give way. Some 100 MB."""
_SOON_S = 0.05
"""A batch is waited for so long after its first message, for many rows at once cost little more than one."""


class Received(msgspec.Struct, frozen=True):
    """A message, and what says to its broker that it is safe; None if nobody waits for that."""

    message: Message
    acknowledge: Callable[[], None] | None


class Inbox:
    """Filled by one thread, emptied by another.

    Attributes
    ----------
    dropped : int
        Messages of QoS 0 that gave way.
    """

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._owed: deque[Received] = deque()
        self._live: deque[Received] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._owed) + len(self._live)

    def put(self, received: Received) -> None:
        """Take in a message."""
        with self._news:
            if received.acknowledge is not None:
                self._owed.append(received)
            else:
                if len(self._live) >= MOST_LIVE:
                    self._live.popleft()
                    self.dropped += 1
                self._live.append(received)
            self._news.notify()

    def take(self, most: int, timeout_s: float) -> list[Received]:
        """Return what waits, at most so many, what is owed first; nothing if nothing comes in time."""
        with self._news:
            if not self._news.wait_for(lambda: len(self), timeout_s):
                return []
            self._news.wait_for(lambda: len(self) >= most, _SOON_S)
            taken = [self._owed.popleft() for _ in range(min(most, len(self._owed)))]
            taken += [self._live.popleft() for _ in range(min(most - len(taken), len(self._live)))]
            return taken

    def oldest(self) -> Message | None:
        """Return the message that waits longest, as far as the two queues' heads tell."""
        with self._news:
            heads = [queue[0].message for queue in (self._owed, self._live) if queue]
        return min(heads, key=lambda message: message.received, default=None)
