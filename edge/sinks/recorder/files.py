"""Names of a segment's files, and ways to write them that survive a crash."""

from __future__ import annotations

import os
from pathlib import Path

from edge.sinks.wfdb_annotations import EXTENSION

SIGNALS, HEADER, ANNOTATIONS, JOURNAL = ".dat", ".hea", f".{EXTENSION}", ".journal"
TEMPORARY = ".tmp"
EXTENSIONS = (HEADER, ANNOTATIONS, SIGNALS, TEMPORARY, JOURNAL)
"""In the order in which a segment's files are deleted: without its header it is no record any more."""


def beside(path: Path, extension: str) -> Path:
    """Return a file of the segment at `path`, which has no extension."""
    return path.with_name(path.name + extension)


def remove(path: Path) -> None:
    """Take a segment away; what is left if that is interrupted is no record any more."""
    for extension in EXTENSIONS:
        beside(path, extension).unlink(missing_ok=True)


def create(path: Path) -> int:
    """Make a file that is not there yet, for its owner alone; return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)


def write(file: int, content: bytes) -> None:
    """Write all of it."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def put(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whenever the power goes."""
    temporary = path.with_suffix(TEMPORARY)
    temporary.unlink(missing_ok=True)
    file = create(temporary)
    try:
        write(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """See to it that files made in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
