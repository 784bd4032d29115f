"""Annotation files in MIT format: bytes and values.

Source: WFDB Programmer's Guide, annot(5) and ecgcodes.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

NOTE: Final = '"'
RHYTHM: Final = "+"
NORMAL: Final = "(N"
"""Aux note of a normal rhythm."""

_CODES = ' NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r'
_MNEMONICS = {code: mnemonic for code, mnemonic in enumerate(_CODES) if mnemonic != " "}
CODES = {mnemonic: code for code, mnemonic in _MNEMONICS.items()} | {"S": 9}
"""Annotation codes of ecgcodes.h by mnemonic."""

_NOTE, _SKIP, _NUM, _SUB, _CHN, _AUX = 22, 59, 60, 61, 62, 63
_TIME_RESOLUTION = "## time resolution: "
_STATED = re.compile(r"## time resolution: ([\d.]+(?:[eE][-+]?\d+)?)\s*$")
_END_OF_NOTES = bytes([0, _SKIP << 2]) + b"\xff\xff\xff\xff" + bytes([1, 0])  # one sample back, one forth

Annotation = tuple[int, str, str]
"""Sample, mnemonic, aux note (may be empty)."""


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """What an annotation file holds, in the order of the file.

    Attributes
    ----------
    samples : int64 array, shape (n,)
        At the file's own resolution.
    symbols : list of str
        Mnemonics; ``[code]`` where a code has none, which is never a beat.
    aux : list of str
        Aux notes, empty where there is none.
    fs_hz : float or None
        The resolution the file states; None if it counts as the record's header does.
    """

    samples: NDArray[np.int64]
    symbols: list[str]
    aux: list[str]
    fs_hz: float | None = None

    def at(self, fs_hz: float, default_hz: float) -> NDArray[np.int64]:
        """Return the samples counted at a rate.

        Parameters
        ----------
        fs_hz : float
            The rate wanted.
        default_hz : float
            What the file counts at if it does not say: the record's frames per second.
        """
        own = self.fs_hz or default_hz
        if own == fs_hz:
            return self.samples
        ratio = Fraction(fs_hz).limit_denominator(10_000) / Fraction(own).limit_denominator(10_000)
        nearest: NDArray[np.int64] = np.rint(self.samples * float(ratio)).astype(np.int64)
        return nearest


def encode_annotations(annotations: Iterable[Annotation], fs_hz: float) -> bytes:
    """Return an annotation file.

    Parameters
    ----------
    annotations : iterable of Annotation
        Sorted by sample.
    fs_hz : float
        Rate the samples count at.
    """
    rate = f"{fs_hz:.8f}".rstrip("0").rstrip(".")
    out = bytearray(_word(_NOTE, 0) + _encode_aux(_TIME_RESOLUTION + rate) + _END_OF_NOTES)
    before = 0
    for sample, mnemonic, aux in annotations:
        delta = sample - before
        before = sample
        if delta > 1023:
            out += _word(_SKIP, 0) + (delta >> 16).to_bytes(2, "little") + (delta & 0xFFFF).to_bytes(2, "little")
            delta = 0
        out += _word(CODES[mnemonic], delta)
        if aux:
            out += _encode_aux(aux)
    return bytes(out) + b"\0\0"


def is_annotations(head: bytes) -> bool:
    """Return whether a file begins as those of `encode_annotations` do."""
    return head[:2] == _word(_NOTE, 0) and head[4 : 4 + len(_TIME_RESOLUTION)] == _TIME_RESOLUTION.encode()


def decode_annotations(raw: bytes) -> Annotations:
    """Return what an annotation file holds.

    Notes before the first annotation that say how the file is to be read (`## …`) are taken in and left out.

    Raises
    ------
    ValueError
        If it is none, or was cut off.
    """
    if len(raw) % 2 or raw[-2:] != b"\0\0":
        raise ValueError("is no annotation file, or was cut off: it has no end mark")
    if raw == b"\0\0":
        return Annotations(samples=np.zeros(0, np.int64), symbols=[], aux=[])
    samples, symbols, aux, fs_hz = _walk(raw)
    return Annotations(samples=np.array(samples, np.int64), symbols=symbols, aux=aux, fs_hz=fs_hz)


def _walk(raw: bytes) -> tuple[list[int], list[str], list[str], float | None]:
    words = np.frombuffer(raw, "<u2").tolist()
    samples: list[int] = []
    symbols: list[str] = []
    aux: list[str] = []
    fs_hz: float | None = None
    sample, place = 0, 0
    while place < len(words):
        code, low = words[place] >> 10, words[place] & 0x3FF
        place += 1
        if code == 0 and low == 0:
            break
        if code == _SKIP:
            high, rest = _at(words, place), _at(words, place + 1)
            sample += ((high << 16 | rest) ^ 0x80000000) - 0x80000000
            place += 2
        elif code == _AUX:
            text = raw[2 * place : 2 * place + low].decode("latin-1").rstrip("\0")
            place += (low + 1) // 2
            if aux:
                aux[-1] = text
                if symbols[-1] == NOTE and text.startswith("## ") and (stated := _STATED.match(text)):
                    fs_hz = float(stated[1]) or None
                if symbols[-1] == NOTE and text.startswith("## "):
                    for column in (samples, symbols, aux):
                        column.pop()
        elif code not in (_NUM, _SUB, _CHN):
            sample += low
            if code:
                samples.append(sample)
                symbols.append(_MNEMONICS.get(code, f"[{code}]"))
                aux.append("")
    else:
        raise ValueError("has no end mark where its last annotation ends")
    return samples, symbols, aux, fs_hz


def _at(words: list[int], place: int) -> int:
    if place >= len(words):
        raise ValueError("was cut off within an annotation")
    return words[place]


def _word(code: int, low: int) -> bytes:
    return (code << 10 | low).to_bytes(2, "little")


def _encode_aux(text: str) -> bytes:
    raw = text.encode("ascii")
    return _word(_AUX, len(raw)) + raw + bytes(len(raw) % 2)
