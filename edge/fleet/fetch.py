"""A record by its location: opened where it is, or fetched from an object store for as long as it is read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.errors import SourceError, one_line
from edge.sources import Recording
from edge.sources.files import SUFFIXES, open_recording
from edge.sources.wfdb_files import read_header

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
MASTER = re.compile(r"(.+)_(?:\d{4,}|layout)")
"""How PhysioNet's records of several segments call them: after the record."""


def is_url(where: str) -> bool:
    """Return whether a location is a URL, which fsspec reads; otherwise it is a path.

    >>> is_url("s3://holters/2026/a"), is_url("C:/holters/a")
    (True, False)
    """
    return SCHEME.match(where) is not None


def is_file(name: str) -> bool:
    """Return whether a name is that of a recording in one file, such as EDF; otherwise it is that of a WFDB record.

    >>> is_file("a.edf"), is_file("a.01")
    (True, False)
    """
    return Path(name).suffix.lower() in SUFFIXES


def name_of(where: str) -> str:
    """Return the name of the record at a location.

    >>> name_of("s3://holters/2026/a")
    'a'
    """
    return where.rstrip("/").rpartition("/")[2]


@contextmanager
def opened(where: str) -> Iterator[Recording]:
    """Open a record, and forget what was fetched of it afterwards.

    Raises
    ------
    SourceError
        If it cannot be had or read.
    """
    if not is_url(where):
        yield open_recording(where)
        return
    with tempfile.TemporaryDirectory(prefix="ecg-edge-") as folder:
        _fetch(where, Path(folder))
        yield open_recording(str(Path(folder) / name_of(where)))


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises
    ------
    SourceError
        If nothing that is installed knows such URLs.
    """
    import fsspec  # noqa: PLC0415  (takes a while to import)

    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SourceError(url, f"cannot be read: {one_line(str(error))}", "install what fsspec needs for it") from error
    return system, path


def _fetch(where: str, folder: Path) -> None:
    """Get a file, or those of a WFDB record: its header, those of its segments, and the signal files that they name."""
    system, path = file_system(where)
    parent, _, name = path.rpartition("/")

    def get(file: str) -> Path:
        if Path(file).name != file:
            raise SourceError(name, f"file {file[:60]!r} is not in the record's folder")
        here = folder / file
        if not here.exists():
            try:
                system.get_file(f"{parent}/{file}", str(here))
            except FileNotFoundError as error:
                raise SourceError(name, f"{file} is missing", "store the whole record") from error
            except Exception as error:  # each kind of store has its own
                told = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
                raise SourceError(name, f"{file} cannot be fetched, {one_line(told)}", "try again") from error
        return here

    if is_file(name):
        get(name)
        return
    header = read_header(get(f"{name}.hea"))
    parts = [read_header(get(f"{part}.hea")) for part, _ in dict(header.segments).items() if part != "~"]
    for part in parts or [header]:
        for signal in part.signals:
            if signal.file != "~":
                get(signal.file)
