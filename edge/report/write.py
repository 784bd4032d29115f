"""Writes a report; the form follows from the suffix."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from edge.errors import SinkError
from edge.findings.findings import Findings
from edge.report.disclosure import Disclosure
from edge.sinks.outputs import put_aside, refuse_foreign
from edge.triage.note import Note


class Extras(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says beside the findings, where it was asked for.

    Attributes
    ----------
    note : Note or None
        The triage note on the answers given; in every form but JSON, as a picture only its headings.
    disclosure : Disclosure or None
        Every beat; in HTML and PDF.
    """

    note: Note | None = None
    disclosure: Disclosure | None = None


Maker = Callable[[Findings, Extras], bytes]


def _html(found: Findings, extras: Extras) -> bytes:
    from edge.report.html import page  # noqa: PLC0415

    return page(found, extras.note, extras.disclosure).encode()


def _json(found: Findings, _: Extras) -> bytes:
    return found.to_json()


def _pdf(found: Findings, extras: Extras) -> bytes:
    from edge.report.pdf import report  # noqa: PLC0415

    return report(found, extras.note, extras.disclosure)


def _svg(found: Findings, extras: Extras) -> bytes:
    from edge.report.sheet import draw  # noqa: PLC0415
    from edge.report.svg import svg  # noqa: PLC0415

    return svg(draw(found, extras.note), alone=True).encode()


def _png(found: Findings, extras: Extras) -> bytes:
    from edge.report.png import png  # noqa: PLC0415
    from edge.report.sheet import draw  # noqa: PLC0415

    return png(draw(found, extras.note))


_MAKERS: dict[str, Maker] = {
    ".html": _html,
    ".pdf": _pdf,
    ".svg": _svg,
    ".png": _png,
    ".json": _json,
}
# How to know a file that this program made, where there is one of the same name already.
_OURS: dict[str, bytes] = {
    ".html": b"<title>ECG ",
    ".pdf": b"ReportLab",
    ".svg": b"<title>ECG ",
    ".png": b"ecg-edge",
    ".json": b'"schema_version":',
}


def is_ours(path: Path, head: bytes) -> bool:
    """Whether a file of this name that begins so was made by this program."""
    return _OURS[path.suffix.lower()] in head


def write_report(found: Findings, path: Path, extras: Extras | None = None) -> Path:
    """Write a report.

    Parameters
    ----------
    found : Findings
        What it says.
    path : Path
        Its suffix says the form. A report that is there already is kept under another name; anything else is refused.
    extras : Extras, optional
        What else it says.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SinkError
        If it cannot be written, or not in this form.
    """
    check_form(path)
    maker = _MAKERS[path.suffix.lower()]
    write_whole(path, maker(found, extras or Extras()), lambda head: is_ours(path, head))
    return path


def check_form(path: Path) -> None:
    """Refuse a file whose suffix says no form that there is.

    Raises
    ------
    SinkError
        With the forms that there are.
    """
    if path.suffix.lower() not in _MAKERS:
        raise SinkError(str(path), f"no report ends with {path.suffix!r}", f"choose from {', '.join(_MAKERS)}")


def write_whole(path: Path, content: bytes, is_ours: Callable[[bytes], bool]) -> None:
    """Write a file whole or not at all; see `write_parts`."""
    write_parts(path, [content], is_ours)


def write_parts(path: Path, parts: Iterable[bytes], is_ours: Callable[[bytes], bool]) -> None:
    """Write a file part by part, so that it is there whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; folders are made. A file of ours that is there already is kept under another name.
    parts : iterable of bytes
        The file's content.
    is_ours : callable
        Told how a file begins, says whether this program made it.

    Raises
    ------
    SinkError
        If it cannot be written, or is something else's.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_foreign(path, is_ours)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                for part in parts:
                    file.write(part)
            umask = os.umask(0o022)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            put_aside(path)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SinkError(str(path), error.strerror or "cannot be written", "give another file") from error
