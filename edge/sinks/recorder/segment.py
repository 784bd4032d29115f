"""One stretch of a recording while it is written.

There are then `NAME.dat`, format 16, and `NAME.journal`; both only grow. `finish` makes of these two the annotation
file and, last, the header, and takes the journal away. So a segment that has a header and no journal is whole, and one
with a journal can be finished at any later time.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.sinks.recorder.files import JOURNAL, SIGNALS, beside, create, sync_folder, write
from edge.sinks.recorder.finish import finish
from edge.sinks.recorder.journal import About, Entry
from edge.sinks.recorder.scale import INVALID, LEAST_GAIN, MOST
from edge.wfdb_format.signals import encode_16

# Times of a file need not survive; macOS makes no difference.
_sync = getattr(os, "fdatasync", os.fsync)


class Segment:
    """A segment that is being written.

    Parameters
    ----------
    path : Path
        Without extension; there must be nothing yet.
    about : About
        What the header will say.
    first : int
        Number of its first sample in the stream.
    limit : int
        Samples it may have.

    Raises
    ------
    OSError
        If it cannot be written; so do `save`, `sync` and `complete`.
    """

    def __init__(self, path: Path, about: About, first: int, limit: int) -> None:
        self.path = path
        self.first = first
        self.limit = limit
        self.n = 0
        self._named = False
        self._scales = about.scales
        self._gain = np.array([scale.gain for scale in about.scales], np.float64)
        self._baseline = np.array([scale.baseline for scale in about.scales], np.float64)
        self._entries: list[Entry] = [about]
        self._samples = b""
        with contextlib.ExitStack() as opened:
            self._journal = create(beside(path, JOURNAL))
            opened.callback(os.close, self._journal)
            self._signals = create(beside(path, SIGNALS))
            opened.callback(os.close, self._signals)
            self.save()
            self._files = opened.pop_all()

    @property
    def end(self) -> int:
        """One past the number of its last sample in the stream."""
        return self.first + self.n

    def fits(self, mv: NDArray[np.float32]) -> bool:
        """Whether no value exceeds 16 bit, where that is not the converter's end."""
        free = [i for i, scale in enumerate(self._scales) if not scale.whole and scale.gain > LEAST_GAIN]
        values = mv[:, free]
        return not bool((np.isfinite(values) & (np.abs(values) * self._gain[free] > MOST)).any())

    def append(self, mv: NDArray[np.float32]) -> None:
        """Keep samples until `save`; shape (n, n_leads), NaN where a lead has no value."""
        steps = np.rint(mv * self._gain + self._baseline)
        adc = np.where(np.isfinite(steps), np.clip(steps, -MOST, MOST), INVALID).astype(np.int64)
        self._samples += encode_16(adc)
        self.n += len(mv)

    def note(self, entry: Entry) -> None:
        """Keep an entry until `save`."""
        self._entries.append(entry)

    def save(self) -> None:
        """Write what was kept; notes first, so that no sample is ever there without what is known of it."""
        entries, self._entries = self._entries, []
        samples, self._samples = self._samples, b""
        write(self._journal, b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
        write(self._signals, samples)

    def sync(self) -> None:
        """See to it that what was written survives a loss of power."""
        for file in (self._signals, self._journal):
            _sync(file)
        if not self._named:
            sync_folder(self.path.parent)
            self._named = True

    def complete(self) -> None:
        """Write what was kept, and make a whole record of it all."""
        try:
            self.save()
        finally:
            self._files.close()
        finish(self.path)

    def let_go(self) -> None:
        """Leave it as it is, for whoever finishes it later."""
        with contextlib.suppress(OSError):
            self.save()
        self._files.close()
