"""Signal files: bytes of the storage formats and the ADC values they hold.

Source: WFDB Applications Guide, signal(5). Formats 16, 24, 32, 61, 80, 160 and 212 are decoded here, those of nearly
all records; the others (first differences, three samples in four bytes, FLAC) are left to the wfdb package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12}
"""Bits per sample of the formats that are decoded here."""

_RAW: dict[int, np.dtype[Any]] = {
    16: np.dtype("<i2"),
    61: np.dtype(">i2"),
    32: np.dtype("<i4"),
    80: np.dtype("u1"),
    160: np.dtype("<u2"),
}
_OFFSET_BINARY = {80: 128, 160: 32768}


def decode_samples(raw: bytes, fmt: int) -> NDArray[np.int32]:
    """Return the ADC values in bytes of a format; bytes that make no whole sample at the end are left out.

    Parameters
    ----------
    raw : bytes
        Of a format 212 file from a whole pair of samples on.
    fmt : int
        One of `BITS`.

    Returns
    -------
    int32 array, shape (n,)
    """
    if fmt == 212:
        triples = np.frombuffer(raw + bytes(-len(raw) % 3), np.uint8).reshape(-1, 3).astype(np.int32)
        pairs = np.empty((len(triples), 2), np.int32)
        pairs[:, 0] = triples[:, 0] | (triples[:, 1] & 0x0F) << 8
        pairs[:, 1] = triples[:, 2] | (triples[:, 1] & 0xF0) << 4
        return (pairs.ravel() ^ 0x800) - 0x800
    size = BITS[fmt] // 8
    raw = raw[: len(raw) // size * size]
    if fmt == 24:
        triples = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int32)
        return ((triples[:, 0] | triples[:, 1] << 8 | triples[:, 2] << 16) ^ 0x800000) - 0x800000
    return np.frombuffer(raw, dtype=_RAW[fmt]).astype(np.int32) - _OFFSET_BINARY.get(fmt, 0)


def no_value(fmt: int) -> int:
    """Return the ADC value that a format has for "no value": its lowest."""
    return -(1 << (BITS[fmt] - 1))


def encode_16(adc: NDArray[np.integer[Any]]) -> bytes:
    """Return ADC values, shape (n_samples, n_leads), as bytes of format 16."""
    return adc.astype("<i2").tobytes()


def checksum(adc: NDArray[np.integer[Any]]) -> int:
    """Return the 16-bit sum of a signal's ADC values that its header states."""
    return int(np.int16(np.uint16(int(adc.sum(dtype=np.int64)) & 0xFFFF)))
