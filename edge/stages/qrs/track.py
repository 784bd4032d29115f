"""Numbered rows, of which the newest are added and the oldest dropped."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


class Track(Generic[Scalar]):
    """Rows numbered from `origin` on; the oldest can be dropped.

    Parameters
    ----------
    rows : array, shape (n, ...)
        The first rows.
    origin : int
        Number of the first of them.
    """

    def __init__(self, rows: NDArray[Scalar], origin: int) -> None:
        self._rows = rows
        self.origin = origin

    @property
    def end(self) -> int:
        """One past the last row's number."""
        return self.origin + len(self._rows)

    def append(self, rows: NDArray[Scalar]) -> None:
        """Add rows."""
        self._rows = np.concatenate([self._rows, rows])

    def get(self, start: int, stop: int) -> NDArray[Scalar]:
        """Return rows [start, stop)."""
        return self._rows[start - self.origin : stop - self.origin]

    def at(self, numbers: NDArray[np.int64]) -> NDArray[Scalar]:
        """Return the rows of these numbers."""
        rows: NDArray[Scalar] = self._rows[numbers - self.origin]
        return rows

    def drop(self, before: int) -> None:
        """Forget rows before this number."""
        if before > self.origin:
            self._rows = self._rows[before - self.origin :]
            self.origin = before
