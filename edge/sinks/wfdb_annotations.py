"""Writes beats and rhythm changes as a WFDB annotation file, so that any EC57 tool can score them."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from edge.errors import SinkError
from edge.kinds import KINDS
from edge.messages import Episode, LabelledBeat, Message, Stream
from edge.sinks import Sink
from edge.sinks.outputs import put, refuse
from edge.wfdb_format.annotations import NORMAL, Annotation, encode_annotations, is_annotations

EXTENSION = "edge"
RHYTHMS = {name: kind.aux for name, kind in KINDS.items() if kind.aux is not None}
"""Aux note of the kinds of episode that are a rhythm, the one that is annotated where several last first."""


def rhythm_changes(spans: Sequence[tuple[str, int, int | None]], first: int) -> list[tuple[int, str]]:
    """Return where the rhythm changes, and to what.

    Parameters
    ----------
    spans : sequence of (kind, onset, end)
        Episodes; `end` is None for one that still lasts.
    first : int
        First beat of the record, from where on there is a rhythm.
    """
    ranks = {kind: rank for rank, kind in enumerate(RHYTHMS)}
    # Ends sort before onsets at the same sample, so that an episode may follow another directly.
    edges = [(onset, 1, ranks[kind]) for kind, onset, _ in spans if kind in ranks]
    edges += [(end + 1, -1, ranks[kind]) for kind, _, end in spans if kind in ranks and end is not None]
    edges.append((first, 0, 0))
    lasting = [0] * len(ranks)
    aux = list(RHYTHMS.values())
    at: dict[int, str] = {}
    for sample, step, rank in sorted(edges):
        lasting[rank] += step
        at[sample] = next((aux[r] for r, n in enumerate(lasting) if n), NORMAL)
    changes: list[tuple[int, str]] = []
    for sample, rhythm in at.items():
        if not changes or changes[-1][1] != rhythm:
            changes.append((sample, rhythm))
    return changes


def annotation_file(beats: Sequence[LabelledBeat], episodes: Iterable[Episode], fs_hz: float) -> bytes:
    """Return the content of an annotation file: the beats, and where the rhythm changes.

    Parameters
    ----------
    beats : sequence of LabelledBeat
        In their order.
    episodes : iterable of Episode
        Each in its last phase.
    fs_hz : float
        Rate of the samples' numbers.
    """
    changes: list[tuple[int, str]] = []
    if beats:
        spans = [(episode.kind, episode.onset, episode.end) for episode in episodes]
        changes = rhythm_changes(spans, beats[0].sample)
    annotations: list[Annotation] = [(sample, "+", aux) for sample, aux in changes]
    annotations += [(beat.sample, beat.label, "") for beat in beats]
    # Stable: a rhythm change comes before the beat it begins with.
    annotations.sort(key=lambda annotation: annotation[0])
    return encode_annotations(annotations, fs_hz)


class WfdbAnnotations(Sink):
    """Sink that writes `RECORD.edge`.

    The file appears, whole, when the stream is closed, also after a failure half way with what there is by then.
    One that is there already, of another run, is kept beside it.

    Parameters
    ----------
    folder : Path
        Where to write; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = self._path = folder
        self._made: set[tuple[int, int]] = set()

    @property
    def where(self) -> str:
        """The file."""
        return str(self._path)

    def open(self, stream: Stream) -> None:
        """Make sure that the file can be written."""
        self._stream = stream
        self._beats: list[LabelledBeat] = []
        self._episodes: dict[int, Episode] = {}
        self._path = self._folder / f"{stream.name}.{EXTENSION}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            fix = "give --annotations a folder that can be written to"
            raise SinkError(str(self._folder), error.strerror or "cannot be written", fix) from error
        try:
            refuse(self._path, is_annotations)
            self._refuse_twice()
        except OSError as error:
            fix = "move it away, or give --annotations another folder"
            raise SinkError(str(self._path), error.strerror or "cannot be read", fix) from error

    def _refuse_twice(self) -> None:
        """Refuse a second record of one name, which on some disks `REC` and `rec` are."""
        if self._path.exists() and _identity(self._path) in self._made:
            raise FileExistsError(errno.EEXIST, "was written for another record just now")

    def write(self, message: Message) -> None:
        """Note a beat or an episode."""
        if isinstance(message, LabelledBeat):
            self._beats.append(message)
        elif isinstance(message, Episode):
            self._episodes[message.number] = message

    def close(self, reason: str) -> None:  # noqa: ARG002  # the file is the same, why ever the stream ended
        """Write the file."""
        try:
            put(self._path, annotation_file(self._beats, self._episodes.values(), self._stream.fs_hz), is_annotations)
            self._made.add(_identity(self._path))
        except OSError as error:
            raise SinkError(
                str(self._path), error.strerror or "cannot be written", "make room, or give another folder"
            ) from error


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
