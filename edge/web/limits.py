"""How often somebody may ask: a bucket of requests a client, filled again as time passes."""

from __future__ import annotations

from collections import OrderedDict

_MOST_CLIENTS = 10_000


class RateLimit:
    """Lets each client ask `burst` times at once and `per_s` times a second after that.

    Parameters
    ----------
    burst, per_s : float
        Requests.
    """

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str, now_s: float) -> float:
        """Take one request of a client; return 0 if it may ask, else after how long it may."""
        left, at_s = self._left.get(client, (self._burst, now_s))
        left = min(self._burst, left + (now_s - at_s) * self._per_s)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left, now_s)
        self._left.move_to_end(client)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._per_s
