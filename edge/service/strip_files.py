"""What was read of paper, as files: a table, a WFDB record, a picture of what was read."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edge.errors import SinkError
from edge.paper import Digitized
from edge.paper.overlay import as_png
from edge.sinks.outputs import put, refuse
from edge.wfdb_format.header import Signal, format_header
from edge.wfdb_format.signals import checksum, encode_16, no_value

_CSV_MARK = b"time_s,"
_PNG_MARK = b"\x89PNG"
_PER_MV = 1000.0
_COMMENT = "read from paper by ecg-edge"


def target(given: Path, picture: Path) -> Path:
    """Return the path for a picture: `{name}` replaced by its name."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in picture.stem).lstrip(".") or "strip"
    return given.with_name(given.name.replace("{name}", safe[:100]))


def write_csv(path: Path, read: Digitized) -> None:
    """Write `time_s` and one column per lead in mV, empty where there is no trace.

    Raises
    ------
    SinkError
        If it cannot be written, or something else is there.
    """
    out = io.StringIO()
    out.write(",".join(["time_s", *read.leads]) + "\n")
    columns = np.column_stack(list(read.leads.values()))
    for i, row in enumerate(columns):
        cells = ("" if np.isnan(value) else f"{value:.4f}" for value in row)
        out.write(f"{i / read.fs_hz:.4f}," + ",".join(cells) + "\n")
    _put(path, out.getvalue().encode(), _CSV_MARK)


def write_overlay(path: Path, read: Digitized) -> None:
    """Write the picture of what was read, a PNG.

    Raises
    ------
    SinkError
        If it cannot be written, or something else is there.
    """
    assert read.overlay is not None  # noqa: S101 - asked for
    packed = as_png(read.overlay)
    mark = b"tEXt" + b"Software\x00ecg-edge"
    _put(path, _marked(packed, mark), mark)


def _marked(png: bytes, mark: bytes) -> bytes:
    """Return a PNG with a text chunk that says who made it, right behind its header."""
    import zlib  # noqa: PLC0415

    chunk = (len(mark) - 4).to_bytes(4, "big") + mark + zlib.crc32(mark).to_bytes(4, "big")
    head = 8 + 25
    return png[:head] + chunk + png[head:]


def write_wfdb(folder: Path, name: str, read: Digitized) -> Path:
    """Write a WFDB record; return its header's path.

    Raises
    ------
    SinkError
        If it cannot be written, or something else is there.
    """
    name = target(Path("{name}"), Path(name)).name.replace(".", "_")
    mv = np.column_stack(list(read.leads.values()))
    empty = no_value(16)
    adc = np.where(np.isnan(mv), empty, np.clip(np.rint(np.nan_to_num(mv) * _PER_MV), -32767, 32767)).astype(np.int32)
    signals = [
        (
            Signal(
                file=f"{name}.dat",
                fmt=16,
                gain=_PER_MV,
                baseline=0,
                units="mV",
                resolution_bits=16,
                zero=0,
                description=lead,
            ),
            int(adc[0, k]),
            checksum(adc[:, k]),
        )
        for k, lead in enumerate(read.leads)
    ]
    header = format_header(
        name,
        fs_hz=read.fs_hz,
        n_samples=len(adc),
        base_time=datetime(2000, 1, 1, tzinfo=UTC),
        signals=signals,
        comments=(_COMMENT, *(f"assumed: {what}" for what in read.assumed)),
    )
    first, rest = header.split("\n", 1)
    header = " ".join(first.split()[:4]) + "\n" + rest  # paper does not say when
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, signals_path = folder / f"{name}.hea", folder / f"{name}.dat"
        # Nothing in a signal file says whose it is; it is that of the header beside it.
        refuse(path, lambda head: _COMMENT.encode() in head)
        ours = path.is_file()
        refuse(signals_path, lambda _head: ours)
        _put(path, header.encode(), _COMMENT.encode())
        put(signals_path, encode_16(adc.ravel()), lambda _head: ours)
    except OSError as error:
        raise SinkError(str(folder), error.strerror or str(error), "write elsewhere") from error
    return path


def _put(path: Path, content: bytes, mark: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, content, lambda head: mark in head)
    except OSError as error:
        raise SinkError(str(path), error.strerror or str(error), "write elsewhere, or move it away") from error
