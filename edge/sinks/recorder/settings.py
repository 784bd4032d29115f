"""Settings of the recorder: `[recorder]` of the configuration."""

from __future__ import annotations

import re

import msgspec


class Recorder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[recorder]`: the last hours of samples and annotations, kept as WFDB records by `run`.

    Attributes
    ----------
    enabled : bool or None
        By default a service records, into the state directory that its manager gives it, and a `run` by hand does not:
        nobody's ECG is left in a home folder unasked.
    folder : str
        Below the state directory; each device has a folder of its own in it.
    hours : float
        Recorded time that is kept; time without a board does not count.
    max_mb : float
        Of all files. Whichever limit is met first, the oldest goes.
    segment_min : float
        Minutes a record; shorter where few are kept.
    """

    enabled: bool | None = None
    folder: str = "recordings"
    hours: float = 24.0
    max_mb: float = 500.0
    segment_min: float = 10.0

    def __post_init__(self) -> None:
        for key, low, high in (("hours", 1, 8784), ("max_mb", 10, 1e6), ("segment_min", 1, 60)):
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"recorder.{key} takes {low:g} to {high:g}, not {getattr(self, key):g}")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.folder):
            raise ValueError("recorder.folder takes 1 to 64 letters, digits, - and _")
