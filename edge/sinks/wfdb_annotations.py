"""Writes beats and rhythm changes as a WFDB annotation file, so that any EC57 tool can score them.

The MIT format is written here: importing the wfdb package for it would take longer than a whole short record does.
Source: WFDB Programmer's Guide, annot(5). Reading back with `wfdb.rdann` is tested.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from edge.errors import SinkError
from edge.kinds import KINDS
from edge.messages import Episode, LabelledBeat, Message, Stream
from edge.sinks import Sink

EXTENSION = "edge"
NOTE: Final = '"'
CODES = {"N": 1, "V": 5, "F": 6, "S": 9, "Q": 13, NOTE: 22, "+": 28}
"""Annotation codes of ecgcodes.h by mnemonic."""

_NOTE, _SKIP, _AUX = 22, 59, 63
_TIME_RESOLUTION = "## time resolution: "
_END_OF_NOTES = bytes([0, _SKIP << 2]) + b"\xff\xff\xff\xff" + bytes([1, 0])  # one sample back, one forth

RHYTHMS = {name: kind.aux for name, kind in KINDS.items() if kind.aux is not None}
"""Aux note of the kinds of episode that are a rhythm, the one that is annotated where several last first."""

NORMAL = "(N"

Annotation = tuple[int, str, str]
"""Sample, mnemonic, aux note (may be empty)."""


def encode(annotations: Iterable[Annotation], fs_hz: float) -> bytes:
    """Return an annotation file in MIT format.

    Parameters
    ----------
    annotations : iterable of Annotation
        Sorted by sample.
    fs_hz : float
        Rate the samples count at.
    """
    rate = f"{fs_hz:.8f}".rstrip("0").rstrip(".")
    out = bytearray(_word(_NOTE, 0) + _aux(_TIME_RESOLUTION + rate) + _END_OF_NOTES)
    before = 0
    for sample, mnemonic, aux in annotations:
        delta = sample - before
        before = sample
        if delta > 1023:
            out += _word(_SKIP, 0) + (delta >> 16).to_bytes(2, "little") + (delta & 0xFFFF).to_bytes(2, "little")
            delta = 0
        out += _word(CODES[mnemonic], delta)
        if aux:
            out += _aux(aux)
    return bytes(out) + b"\0\0"


def _word(code: int, low: int) -> bytes:
    return (code << 10 | low).to_bytes(2, "little")


def _aux(text: str) -> bytes:
    raw = text.encode("ascii")
    return _word(_AUX, len(raw)) + raw + bytes(len(raw) % 2)


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


class WfdbAnnotations(Sink):
    """Sink that writes `RECORD.edge`.

    The file appears, whole, when the stream is closed, also after a failure half way with what there is by then.

    Parameters
    ----------
    folder : Path
        Where to write; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def where(self) -> str:
        """The file."""
        return str(self._path)

    def open(self, stream: Stream) -> None:
        """Make sure that the file can be written."""
        self._stream = stream
        self._beats: list[Annotation] = []
        self._spans: dict[int, tuple[str, int, int | None]] = {}
        self._path = self._folder / f"{stream.name}.{EXTENSION}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            fix = "give --annotations a folder that can be written to"
            raise SinkError(str(self._folder), error.strerror or "cannot be written", fix) from error
        if self._path.is_dir():
            raise SinkError(str(self._path), "is a folder", "move it away, or give --annotations another folder")

    def write(self, message: Message) -> None:
        """Note a beat or an episode."""
        if isinstance(message, LabelledBeat):
            self._beats.append((message.sample, message.label, ""))
        elif isinstance(message, Episode):
            self._spans[message.number] = (message.kind, message.onset, message.end)

    def close(self, reason: str) -> None:  # noqa: ARG002  # the file is the same, why ever the stream ended
        """Write the file."""
        changes: list[tuple[int, str]] = []
        if self._beats:
            changes = rhythm_changes(list(self._spans.values()), self._beats[0][0])
        annotations = [(sample, "+", aux) for sample, aux in changes] + self._beats
        # Stable: a rhythm change comes before the beat it begins with.
        annotations.sort(key=lambda annotation: annotation[0])
        try:
            _replace(self._path, encode(annotations, self._stream.fs_hz))
        except OSError as error:
            raise SinkError(
                str(self._path), error.strerror or "cannot be written", "make room, or give another folder"
            ) from error


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
