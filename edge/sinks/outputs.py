"""What may be written: never over a file that this program did not make, and never so that one it made is lost."""

from __future__ import annotations

import errno
import logging
import os
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
        raise FileExistsError(errno.EEXIST, "holds something else already")


def put_aside(path: Path) -> Path | None:
    """Give a file that is there a name of its own, which is returned; None if there is none, or it is empty.

    Raises
    ------
    OSError
        If that cannot be done.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.{number}")):
        number += 1
    path.rename(aside)
    _log.info("%s was there already; it is kept as %s", path, aside.name)
    return aside
