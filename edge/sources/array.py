"""Samples that are in memory already, as a recording."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.errors import SourceError
from edge.messages import Gap, Samples, Stream

MIN_FS_HZ, MAX_FS_HZ = 100.0, 1000.0
"""What the stages can be given."""


class ArrayRecording:
    """An array of samples.

    A rate above 1,000 Hz is brought below it by a whole factor, which is noted; rows without any value are a gap.

    Parameters
    ----------
    mv : float array, shape (n,) or (n, n_leads)
        mV, NaN where there is no value.
    fs_hz : float
        Rate, at least 100.
    leads : sequence of str, optional
        Their names; `lead1` … if not given.
    name : str
        Of the recording.
    start_time : datetime, optional
        UTC time of the first sample, where it is known.
    notes : sequence of str
        What a user should know of it.
    lead_off_detection : bool
        Whether a lead without values says that its electrode is off.

    Raises
    ------
    SourceError
        If there are no samples, or rate, shape or number of names cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> ArrayRecording(np.zeros(2500), fs_hz=250, leads=["II"]).stream.n_samples
    2500
    """

    def __init__(
        self,
        mv: ArrayLike,
        fs_hz: float,
        leads: Sequence[str] | None = None,
        *,
        name: str = "array",
        start_time: datetime | None = None,
        notes: Sequence[str] = (),
        lead_off_detection: bool = False,
    ) -> None:
        values = np.asarray(mv, np.float32)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or not values.size:
            raise SourceError(name, f"has the shape {np.shape(mv)}", "give samples in rows, one column per lead")
        names = tuple(leads) if leads is not None else tuple(f"lead{i + 1}" for i in range(values.shape[1]))
        if len(names) != values.shape[1]:
            raise SourceError(name, f"has {values.shape[1]} columns, {len(names)} leads are named", "name each column")
        values, fs_hz, told = _slower(name, values, fs_hz)
        self._mv = values
        self._stream = Stream(
            name=name,
            fs_hz=fs_hz,
            leads=names,
            start_time=start_time or datetime.now(UTC),
            n_samples=len(values),
            notes=(*notes, *told),
            lead_off_detection=lead_off_detection,
            dated=start_time is not None,
        )

    @property
    def stream(self) -> Stream:
        """Rate, leads and start."""
        return self._stream

    def blocks(self, n: int) -> Iterator[Samples | Gap]:
        """Yield blocks of at most `n` samples; rows in which every lead has no value are gaps."""
        there = np.isfinite(self._mv).any(axis=1)
        edges = [0, *(np.flatnonzero(np.diff(there)) + 1).tolist(), len(there)]
        for start, stop in pairwise(edges):
            if not there[start]:
                yield Gap(decided=stop, start=start, n=stop - start)
                continue
            for at in range(start, stop, n):
                yield Samples(start=at, mv=self._mv[at : min(at + n, stop)])


def check_rate(name: str, fs_hz: float) -> None:
    """Refuse a rate that there is none of, or that is too low.

    Raises
    ------
    SourceError
        With what to do.
    """
    if not math.isfinite(fs_hz) or fs_hz < MIN_FS_HZ:
        fix = f"at least {MIN_FS_HZ:g} are needed to tell a QRS complex's shape"
        raise SourceError(name, f"has {fs_hz:g} samples a second", fix)


def _slower(name: str, mv: NDArray[np.float32], fs_hz: float) -> tuple[NDArray[np.float32], float, tuple[str, ...]]:
    check_rate(name, fs_hz)
    factor = math.ceil(fs_hz / MAX_FS_HZ)
    if factor == 1:
        return mv, fs_hz, ()
    if fs_hz > 1e5:
        raise SourceError(name, f"has {fs_hz:g} samples a second", "no ECG has so many: check the rate")
    from scipy import signal  # noqa: PLC0415  (half a second to import)

    missing = ~np.isfinite(mv)
    slow = signal.resample_poly(np.where(missing, 0, mv), 1, factor, axis=0, padtype="line").astype(np.float32)
    slow[missing[::factor][: len(slow)]] = np.nan
    return slow, fs_hz / factor, (f"brought from {fs_hz:g} to {fs_hz / factor:g} samples a second",)
