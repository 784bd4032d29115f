"""Terminals and pipes that cannot take every character: what is written is put otherwise, never an error."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper
from typing import Final

# What people still understand.
_PLAIN: Final = {
    **dict.fromkeys("–—−─·", "-"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("µμ", "u"),
    "×": "x",
    "°": "deg",
    "±": "+-",
    "²": "2",
    "…": "...",
    "→": "->",
    "♥": "HR",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
}


def make_printable(*, as_json: bool = False) -> None:
    """Let standard output and error take whatever is written, in the encoding that they have.

    Parameters
    ----------
    as_json : bool
        Whether standard output is JSON, in which other characters are escaped, so that nothing changes.
    """
    codecs.register_error("ecg-edge.plain", _plain)
    codecs.register_error("ecg-edge.json", _escaped)
    for stream, errors in (
        (sys.stdout, "ecg-edge.json" if as_json else "ecg-edge.plain"),
        (sys.stderr, "ecg-edge.plain"),
    ):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in found), error.end


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end
