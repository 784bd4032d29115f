"""Sample numbers, times and rates: the only arithmetic on time.

A rate is kept as an exact fraction, and there is one rule for each question asked of it:

- *where* something is: the nearest sample of the other rate, halves to even;
- *from where on*: the first sample that is not before it;
- *how much was seen*: as many samples as had come, never more.

So numbers brought to another rate keep their order, and what is told of the last sample seen is never told of one that
is still to come.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.messages import FS_HZ, Event, SourceState, Span, Stream

SomeEvent = TypeVar("SomeEvent", bound=Event)

_FINEST = 1000
"""Largest denominator of a rate: that of 249.873 Hz is met to less than one in a million."""

_SAMPLES = ("sample", "start", "onset", "end")
"""Fields of events that hold a sample's number."""


class Rates:
    """The numbers of a source's samples and those of the stages, which count at `FS_HZ`.

    Parameters
    ----------
    fs_hz : float
        Rate of the source.

    Attributes
    ----------
    ratio : Fraction
        Source samples for each sample at `FS_HZ`.

    Examples
    --------
    >>> Rates(1000).to_source(36), Rates(128).to_stages(128)
    (100, 360)
    """

    def __init__(self, fs_hz: float) -> None:
        self.ratio = Fraction(fs_hz).limit_denominator(_FINEST) / FS_HZ

    def to_stages(self, source: int) -> int:
        """Return the stages' sample nearest to one of the source."""
        return round(source / self.ratio)

    def all_to_stages(self, source: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stages' samples nearest to those of the source; int64 arrays of any shape."""
        whole, rest = np.divmod(source.astype(np.int64) * self.ratio.denominator, self.ratio.numerator)
        over = 2 * rest - self.ratio.numerator
        nearest: NDArray[np.int64] = whole + ((over > 0) | ((over == 0) & (whole % 2 == 1)))
        return nearest

    def first_in_stages(self, source: int) -> int:
        """Return the stages' first sample that is not before one of the source."""
        return math.ceil(source / self.ratio)

    def seen_in_stages(self, source: int) -> int:
        """Return how many of the stages' samples have come with so many of the source."""
        return math.floor(source / self.ratio)

    def to_source(self, stages: int) -> int:
        """Return the source's sample nearest to one of the stages."""
        return round(stages * self.ratio)

    def seen_in_source(self, stages: int) -> int:
        """Return how many of the source's samples had to come for so many of the stages."""
        return math.ceil(stages * self.ratio)

    def event_to_source(self, event: SomeEvent) -> SomeEvent:
        """Return an event of the stages in the source's own numbers.

        A span that the source itself told keeps the source's word for it.
        """
        changes: dict[str, object] = {"decided": self.seen_in_source(event.decided)}
        if isinstance(event, Span) and event.source is not None:
            changes["start"], changes["n"] = event.source
            changes["source"] = None
        elif self.ratio == 1:
            return event
        else:
            # Whatever is nearest, a sample that was not seen yet cannot have been told of.
            last = max(self.seen_in_source(event.decided) - 1, 0)
            for field in event.__struct_fields__:
                if field in _SAMPLES and (number := getattr(event, field)) is not None:
                    changes[field] = min(self.to_source(number), last)
            if isinstance(event, Span):
                changes["n"] = self.to_source(event.start + event.n) - self.to_source(event.start)
        return msgspec.structs.replace(event, **changes)


class StreamClock:
    """UTC times of a stream's samples: by its start and rate, or by what a live source says of its own clock.

    Parameters
    ----------
    stream : Stream
        The stream.
    """

    def __init__(self, stream: Stream) -> None:
        self._fs_hz = stream.fs_hz
        self._start = stream.start_time
        self._anchor: SourceState | None = None

    def anchor(self, state: SourceState) -> None:
        """Count from the sample and time that a live source names, at the rate its clock is known to have."""
        self._anchor = state

    def time(self, sample: int, fs_hz: float | None = None) -> datetime:
        """Return the UTC time of a sample.

        Parameters
        ----------
        sample : int
            Its number.
        fs_hz : float, optional
            The rate it counts at, if not the stream's.
        """
        nominal_s = sample / (fs_hz or self._fs_hz)
        if self._anchor is None:
            return self._after_start(nominal_s)
        later_s = nominal_s - self._anchor.sample / self._fs_hz
        true_s = later_s / (1 + (self._anchor.drift_ppm or 0.0) * 1e-6)
        return (self._anchor.time + timedelta(seconds=true_s)).astimezone(UTC)

    def nominal_time(self, sample: int) -> datetime:
        """Return the UTC time of a sample by the stream's start and rate alone, which no later news changes."""
        return self._after_start(sample / self._fs_hz)

    def _after_start(self, seconds: float) -> datetime:
        return (self._start + timedelta(seconds=seconds)).astimezone(UTC)
