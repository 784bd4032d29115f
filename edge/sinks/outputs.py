"""What may be written: never over a file that this program did not make, and never so that one it made is lost."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_log = logging.getLogger(__name__)
_HEAD = 1 << 16


def refuse_foreign(path: Path, is_ours: Callable[[bytes], bool]) -> None:
    """See to it that nothing else is written over.

    Parameters
    ----------
    path : Path
        Where something is to be written; also a pipe or a device, which hold nothing.
    is_ours : callable
        Told how a file begins, says whether this program made it.

    Raises
    ------
    OSError
        If there is a file that has something else in it.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head and not is_ours(head):
        raise FileExistsError(errno.EEXIST, "holds something else already", str(path))


def refuse(path: Path, is_ours: Callable[[bytes], bool]) -> None:
    """See to it that nothing else is written over, be it a file, a folder, a link to nowhere, a pipe or a device.

    Parameters and errors as of `refuse_foreign`.
    """
    if os.path.lexists(path) and not path.is_file():
        raise FileExistsError(errno.EEXIST, "is a folder" if path.is_dir() else "is no file", str(path))
    refuse_foreign(path, is_ours)


def put_aside(path: Path) -> Path | None:
    """Give a file that is there a name of its own, which is returned; None if there is none, or it is empty.

    Raises
    ------
    OSError
        If that cannot be done.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    aside = _unused(path)
    try:
        path.rename(aside)
    except OSError:
        aside.unlink()
        raise
    _log.info("%s was there already; it is kept as %s", path, aside.name)
    return aside


def _unused(path: Path) -> Path:
    """Return a name beside a file that nothing has, and that no other process takes meanwhile: it is there, empty."""
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.{number}")
        try:
            aside.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return aside


def put(path: Path, content: bytes, is_ours: Callable[[bytes], bool]) -> None:
    """Write a file, whole or not at all; one that is there is kept beside it, unless it is the same.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        All of it.
    is_ours : callable
        Told how a file begins, says whether this program made it.

    Raises
    ------
    OSError
        If it cannot be written, or something else is there.
    """
    refuse(path, is_ours)
    if path.is_file() and path.read_bytes() == content:
        return
    put_aside(path)
    _replace(path, content)


def _replace(path: Path, content: bytes) -> None:
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
