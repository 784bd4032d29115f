"""Makes a whole WFDB record of what was written of a segment, at any later time.

Source: WFDB Applications Guide, header(5), signal(5), annot(5).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.sinks.recorder.files import ANNOTATIONS, HEADER, JOURNAL, SIGNALS, beside, put, remove, sync_folder
from edge.sinks.recorder.journal import ONSET, About, Mark, Span, read_journal
from edge.sinks.wfdb_annotations import rhythm_changes
from edge.wfdb_format.annotations import NOTE, Annotation, encode_annotations
from edge.wfdb_format.header import Signal, format_header
from edge.wfdb_format.signals import checksum


def finish(path: Path) -> None:
    """Make a whole record of what was written of a segment; of nothing, nothing. May be done again if interrupted.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    signals, journal = beside(path, SIGNALS), beside(path, JOURNAL)
    about, marks, spans = read_journal(journal.read_bytes())
    frame = 2 * len(about.leads) if about is not None else 1
    n = signals.stat().st_size // frame if signals.exists() else 0
    if about is None or n == 0:
        # Not even the first seconds had reached the disk.
        remove(path)
        return
    with signals.open("r+b") as file:
        file.truncate(n * frame)
        os.fsync(file.fileno())
    marks = [mark for mark in marks if 0 <= mark.sample < n]
    annotations = _annotations(marks, list(spans.values()), n)
    put(beside(path, ANNOTATIONS), encode_annotations(annotations, about.fs_hz))
    adc = np.memmap(signals, "<i2", "r", shape=(n, len(about.leads)))
    put(beside(path, HEADER), _header(path.name, about, adc, marks).encode("ascii"))
    sync_folder(path.parent)
    journal.unlink()


def _annotations(marks: Sequence[Mark], spans: Sequence[Span], n: int) -> list[Annotation]:
    annotations: list[Annotation] = [(mark.sample, mark.mnemonic, mark.aux) for mark in marks]
    beats = [mark.sample for mark in marks if mark.mnemonic != NOTE]
    if beats:
        first = min(beats)
        # What lasted already when the segment began is its rhythm from the first beat on.
        here = [
            (span.kind, max(span.onset, first), span.end if span.end is not None and span.end + 1 < n else None)
            for span in spans
            if span.onset < n and (span.end is None or span.end >= first)
        ]
        annotations = [(at, "+", aux) for at, aux in rhythm_changes(here, first)] + annotations
    # Stable: a rhythm change comes before the beat it begins with.
    return sorted(annotations, key=lambda annotation: annotation[0])


def _header(name: str, about: About, adc: NDArray[np.int16], marks: Sequence[Mark]) -> str:
    signals = []
    for lead, scale, column in zip(about.leads, about.scales, adc.T, strict=True):
        signal = Signal(
            file=f"{name}{SIGNALS}",
            fmt=16,
            gain=scale.gain,
            baseline=scale.baseline,
            # A reader may take the numbers' ends for the converter's only where they are.
            resolution_bits=16 if scale.whole else 0,
            description=_ascii(lead),
        )
        signals.append((signal, int(column[0]), checksum(column)))
    beats = Counter(mark.mnemonic for mark in marks if mark.mnemonic != NOTE)
    comments = [
        f"device {about.device}, stream {about.stream}",
        f"beats {beats.total()}: {', '.join(f'{label} {count}' for label, count in sorted(beats.items()))}",
        f"alarms {sum(mark.aux.startswith(ONSET) for mark in marks)}",
    ]
    return format_header(
        name,
        fs_hz=about.fs_hz,
        n_samples=len(adc),
        base_time=about.start,
        signals=signals,
        comments=comments,
        lead_off_detection=about.lead_off_detection,
    )


def _ascii(lead: str) -> str:
    return " ".join("".join(c if c.isascii() and c.isprintable() else "?" for c in lead).split()) or "ECG"
