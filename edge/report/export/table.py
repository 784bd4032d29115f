"""CSV: one row per sample, one column per lead in mV, beats where their R peaks are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np

from edge.errors import one_line
from edge.findings.findings import Findings
from edge.report.export.samples import rows
from edge.sources import Recording


def parts(recording: Recording, found: Findings) -> Iterator[bytes]:
    """Yield the file, part by part.

    Lost samples have no rows: the time jumps. An empty cell is a lead without a value. Times are seconds since the
    first sample; mV are rounded to 1 µV.
    """
    stream = recording.stream
    yield _line(["time_s", *(f"{one_line(lead)} (mV)" for lead in stream.leads), "beat"])
    sample, label = found.beats["sample"], found.beats["label"]
    form = "%.6f," + "%.3f," * len(stream.leads)
    for start, mv in rows(recording):
        time_s = np.arange(start, start + len(mv)) / stream.fs_hz
        table = np.column_stack([time_s, mv])
        first, last = np.searchsorted(sample, [start, start + len(mv)])
        beats = dict(zip((sample[first:last] - start).tolist(), label[first:last].tolist(), strict=True))
        lines = (form * len(mv)).replace(",%.6f", ",\n%.6f") % tuple(table.ravel().tolist())
        yield "".join(
            f"{line.replace('nan', '')}{beats.get(i, '')}\n" for i, line in enumerate(lines.split("\n"))
        ).encode()


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()
