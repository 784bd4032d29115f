"""What waits for a connection, and what is on its way. Alerts are not here: they wait in the outbox."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from edge.sinks.mqtt.publication import Publication

# Under the 20 that brokers take by default, with room for what is retained.
_MOST_ON_THEIR_WAY, _MOST_ALERTS = 16, 12
_LIVE_QUEUE = 64
_LIVE_FOR_S = 10.0


class Outgoing:
    """Live data in a short queue, and the newest of what is retained. Safe to use from several threads.

    Parameters
    ----------
    announcements : sequence of Publication
        Retained whatever else is.

    Attributes
    ----------
    news : threading.Condition
        Notified when something has left; its lock is the one of all this.
    """

    def __init__(self, announcements: Sequence[Publication] = ()) -> None:
        self.news = threading.Condition()
        self._announcements = {publication.topic: publication for publication in announcements}
        self._live: deque[tuple[float, Publication]] = deque(maxlen=_LIVE_QUEUE)
        self._retained: dict[str, Publication] = {}
        self._unsaid: dict[str, None] = {}

    def begin(self) -> None:
        """Forget what was retained for an earlier stream."""
        with self.news:
            self._retained = dict(self._announcements)
            self._unsaid = dict.fromkeys(self._retained)

    def retain(self, publication: Publication) -> None:
        """Take the newest of what is retained; an older one that nobody has sent is forgotten."""
        with self.news:
            self._retained[publication.topic] = publication
            self._unsaid[publication.topic] = None

    def add(self, publication: Publication) -> None:
        """Take live data; the oldest makes room."""
        with self.news:
            self._live.append((time.monotonic() + (publication.expiry_s or _LIVE_FOR_S), publication))

    def has_room(self, publication: Publication) -> bool:
        """Return whether nothing is lost by adding this."""
        with self.news:
            return publication.topic not in self._unsaid if publication.retain else len(self._live) < _LIVE_QUEUE

    def forget_live(self) -> None:
        """Forget live data: nobody could take it."""
        with self.news:
            self._live.clear()

    def say_again(self) -> None:
        """Send everything retained once more."""
        with self.news:
            self._unsaid = dict.fromkeys(self._retained)

    def next_live(self, *, only_qos_0: bool) -> Publication | None:
        """Take out the oldest live data that is still of use; None if there is none."""
        now = time.monotonic()
        with self.news:
            while self._live and (self._live[0][0] <= now or not (only_qos_0 and self._live[0][1].qos)):
                expires_at, publication = self._live.popleft()
                if expires_at > now:
                    return publication
        return None

    def next_retained(self, *, but: str = "") -> Publication | None:
        """Take out what is retained and was not said yet, but for one topic; None if there is nothing."""
        with self.news:
            topic = next((topic for topic in self._unsaid if topic != but), None)
            if topic is None:
                return None
            del self._unsaid[topic]
            return self._retained[topic]

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        with self.news:
            return not self._unsaid and not self._live


class OnTheirWay:
    """Messages of QoS 1 that one connection has not acknowledged yet.

    Parameters
    ----------
    receive : int
        How many the broker takes at once.

    Attributes
    ----------
    acknowledged : int
        How many it has acknowledged.
    """

    def __init__(self, receive: int) -> None:
        self._most = min(receive, _MOST_ON_THEIR_WAY)
        self._most_alerts = max(min(_MOST_ALERTS, self._most - 4), 1)
        self._sent: dict[int, tuple[float, int | None]] = {}
        self._progress_at = 0.0
        self.acknowledged = 0

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def alerts(self) -> list[int]:
        """The outbox's numbers of the alerts among them."""
        return [seq for _, seq in self._sent.values() if seq is not None]

    @property
    def full(self) -> bool:
        """Whether the broker takes no more."""
        return len(self._sent) >= self._most

    def full_of_alerts(self, *, careful: bool) -> bool:
        """Whether no further alert should go; carefully is one at a time, to see which the broker does not take."""
        return self.full or len(self.alerts) >= (1 if careful else self._most_alerts)

    def sent(self, mid: int, seq: int | None = None) -> None:
        """Note what was sent; `seq` is an alert's number in the outbox."""
        self._sent[mid] = time.monotonic(), seq

    def take(self, mid: int) -> tuple[bool, int | None]:
        """Take out what the broker has answered; return whether it was there, and an alert's number."""
        if mid not in self._sent:
            return False, None
        if mid == next(iter(self._sent)):
            self._progress_at = time.monotonic()
        _, seq = self._sent.pop(mid)
        return True, seq

    def waits_s(self) -> float:
        """Return for how long the broker has answered nothing of what it was to answer first."""
        if not self._sent:
            return 0.0
        first_at, _ = next(iter(self._sent.values()))
        return time.monotonic() - max(first_at, self._progress_at)
