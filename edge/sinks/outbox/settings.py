"""Settings of the outbox: `[outbox]` of the configuration."""

from __future__ import annotations

import msgspec


class Outbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[outbox]`: where alerts are kept until the broker has acknowledged them.

    Attributes
    ----------
    path : str or None
        The file. By default `run` keeps one in the service's state directory or the user's, and `replay` none.
    max_mb : float
        Of alerts that wait; then the least urgent are dropped, and that is told.
    max_age_h : float
        Of each, in hours that the device ran.
    """

    path: str | None = None
    max_mb: float = 16.0
    max_age_h: float = 168.0

    def __post_init__(self) -> None:
        for key, low, high in (("max_mb", 0.1, 1000), ("max_age_h", 0.1, 10_000)):
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"outbox.{key} takes {low:g} to {high:g}, not {getattr(self, key):g}")
