"""A page of paper that was read, as a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from edge.sources.array import ArrayRecording

if TYPE_CHECKING:
    from edge.paper import Digitized


class PageRecording(ArrayRecording):
    """Leads of a page, and all that was read of it.

    Parameters
    ----------
    read : Digitized
        The page.
    mv : float array, shape (n, n_leads)
        Those of its leads that are analysed, on its time base.
    leads : sequence of str
        Their names.
    name : str
        Of the recording.
    notes : sequence of str
        What a user should know of it.
    """

    def __init__(
        self, read: Digitized, mv: ArrayLike, leads: Sequence[str], *, name: str, notes: Sequence[str] = ()
    ) -> None:
        super().__init__(mv, read.fs_hz, leads, name=name, notes=notes)
        self.page = read
