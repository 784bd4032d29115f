"""Writes a report; the form follows from the suffix."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from edge.errors import EcgEdgeError
from edge.findings.findings import Findings
from edge.sinks.outputs import put_aside, refuse_foreign

Maker = Callable[[Findings], bytes]


class ReportError(EcgEdgeError):
    """A report cannot be written.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        Why not.
    fix : str
        What to do about it.
    """

    def __init__(self, path: str, reason: str, fix: str = "") -> None:
        super().__init__(f"{path}: {reason}", fix)
        self.path = path
        self.reason = reason


def _html(found: Findings) -> bytes:
    from edge.report.html import page  # noqa: PLC0415

    return page(found).encode()


def _json(found: Findings) -> bytes:
    return found.to_json()


_MAKERS: dict[str, Maker] = {".html": _html, ".htm": _html, ".json": _json}
_OURS: dict[str, tuple[bytes, ...]] = {
    ".html": (b"ECG report, ",),
    ".htm": (b"ECG report, ",),
    ".json": (b'"schema_version":',),
}


def write_report(found: Findings, path: Path) -> Path:
    """Write a report.

    Parameters
    ----------
    found : Findings
        What it says.
    path : Path
        Its suffix says the form. A report that is there already is kept under another name; anything else is refused.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ReportError
        If it cannot be written, or not in this form.
    """
    check_form(path)
    maker = _MAKERS[path.suffix.lower()]
    write_whole(path, maker(found), lambda head: any(mark in head for mark in _OURS[path.suffix.lower()]))
    return path


def check_form(path: Path) -> None:
    """Refuse a file whose suffix says no form that there is.

    Raises
    ------
    ReportError
        With the forms that there are.
    """
    if path.suffix.lower() not in _MAKERS:
        raise ReportError(str(path), f"no report ends with {path.suffix!r}", f"choose from {', '.join(_MAKERS)}")


def write_whole(path: Path, content: bytes, is_ours: Callable[[bytes], bool]) -> None:
    """Write a file whole or not at all, never over one that this program did not make.

    Raises
    ------
    ReportError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_foreign(path, is_ours)
        put_aside(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            umask = os.umask(0o022)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(str(path), error.strerror or "cannot be written", "give another file") from error
