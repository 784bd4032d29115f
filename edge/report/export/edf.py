"""EDF+: samples in steps of 1 µV, beats and episodes as annotations (Kemp & Olivan 2003, edfplus.info).

EDF has no way to say that a value is missing: a stretch without any is 0 and annotated `no signal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import one_line
from edge.findings.findings import Findings
from edge.report.export.samples import Scale, filled, scales
from edge.sources import Recording

_UNKNOWN = datetime(1985, 1, 1, tzinfo=UTC)
"""What EDF+ gives for a start that is not known."""


def parts(recording: Recording, found: Findings) -> Iterator[bytes]:
    """Yield the file, part by part."""
    stream = recording.stream
    how, end = scales(recording)
    per, record_s = _record(stream.fs_hz)
    n_records = -(-end // per)
    notes = _notes(found, n_records, record_s)
    width = max((len(note) for note in notes), default=16)
    width += width % 2
    sizes = _Sizes(n_records=n_records, per=per, record_s=record_s, note_samples=width // 2)
    yield _header(recording, how, sizes)
    waiting = np.zeros((0, len(how)), np.float32)
    record = 0
    for mv in filled(recording):
        waiting = np.concatenate([waiting, mv])
        whole = len(waiting) // per
        yield b"".join(
            _data(waiting[i * per : (i + 1) * per], how) + notes[record + i].ljust(width, b"\0") for i in range(whole)
        )
        record, waiting = record + whole, waiting[whole * per :]
    if len(waiting):
        last = np.full((per, len(how)), np.nan, np.float32)
        last[: len(waiting)] = waiting
        yield _data(last, how) + notes[record].ljust(width, b"\0")


def _record(fs_hz: float) -> tuple[int, float]:
    """Return samples and seconds of a data record: a second, or as many as make whole samples."""
    rate = Fraction(fs_hz).limit_denominator(1000)
    return rate.numerator, float(rate.denominator)


def _data(mv: NDArray[np.float32], how: tuple[Scale, ...]) -> bytes:
    numbers = [scale.of(lead) for scale, lead in zip(how, mv.T, strict=True)]
    zeros = [round(-scale.offset_uv / scale.step_uv) for scale in how]
    return b"".join(
        np.where(lead == -32768, max(min(zero, 32767), -32767), lead).astype("<i2").tobytes()
        for lead, zero in zip(numbers, zeros, strict=True)
    )


def _notes(found: Findings, n_records: int, record_s: float) -> list[bytes]:
    """Return the annotations of each record, that of its own time first."""
    lists: list[list[bytes]] = [[f"+{i * record_s:g}\x14\x14\0".encode()] for i in range(n_records)]
    end = n_records * record_s

    def note(at_s: float, text: str, duration_s: float | None = None) -> None:
        if 0 <= at_s < end:
            length = "" if duration_s is None else f"\x15{duration_s:.3f}"
            lists[int(at_s // record_s)].append(f"+{at_s:.4f}{length}\x14{text}\x14\0".encode())

    for at, label in zip(found.beats["time_s"].tolist(), found.beats["label"].tolist(), strict=True):
        note(at, label)
    for episode in found.episodes:
        note(episode.onset_s, episode.title, episode.duration_s)
    for start, stop in found.readable.stretches:
        note(start, "no signal", stop - start)
    return [b"".join(texts) for texts in lists]


class _Sizes(NamedTuple):
    """Data records, samples and seconds of each, and samples of its annotations."""

    n_records: int
    per: int
    record_s: float
    note_samples: int


def _header(recording: Recording, how: tuple[Scale, ...], sizes: _Sizes) -> bytes:
    stream = recording.stream
    start = stream.start_time.astimezone(UTC) if stream.dated else _UNKNOWN
    known = f"Startdate {start:%d-%b-%Y}".upper().replace("STARTDATE", "Startdate") if stream.dated else "Startdate X"
    n = len(how) + 1
    fixed = [
        ("0", 8),
        ("X X X X", 80),
        (f"{known} X X ecg-edge", 80),
        (f"{start:%d.%m.%y}", 8),
        (f"{start:%H.%M.%S}", 8),
        (str(256 * (n + 1)), 8),
        ("EDF+C", 44),
        (str(sizes.n_records), 8),
        (f"{sizes.record_s:g}", 8),
        (str(n), 4),
    ]
    physical = [(s.offset_uv - 32767 * s.step_uv, s.offset_uv + 32767 * s.step_uv) for s in how]
    columns: list[tuple[list[str], int]] = [
        ([*(f"ECG {one_line(lead)}" for lead in stream.leads), "EDF Annotations"], 16),
        ([""] * n, 80),
        (["uV"] * len(how) + [""], 8),
        ([*(str(low) for low, _ in physical), "-1"], 8),
        ([*(str(high) for _, high in physical), "1"], 8),
        (["-32767"] * len(how) + ["-32768"], 8),
        (["32767"] * n, 8),
        ([""] * n, 80),
        ([*([str(sizes.per)] * len(how)), str(sizes.note_samples)], 8),
        ([""] * n, 32),
    ]
    cells = [*fixed, *((cell, width) for texts, width in columns for cell in texts)]
    return b"".join(text.encode("ascii", "replace")[:width].ljust(width) for text, width in cells)
