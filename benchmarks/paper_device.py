"""The heart rate that one device prints at the foot of its pages (♥82): the only truth that these pages carry."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (660, 929)
"""Height and width of the pages that can be read."""

_FOOT = slice(642, 660)
_HEART_ROWS = slice(4, 10)
_DARK = 150
_PITCH_PX, _FIRST_PX = 4.75, 0.4
_SHIFTS = tuple(np.arange(-1.5, 1.51, 0.25).tolist())
_INK = 200.0
"""Darkness summed down a column of what is a digit and not paper."""
_LEAST = 0.66
"""Correlation below which a digit is not believed."""

_DIGITS = (
    "000011220099a41d3a61f27d3f27d3f29a1c6a4144311",
    "00000132015f7114b6111851118500186103a71116511",
    "0001012000bfa1123d40029211441123100cdb7255520",
    "00011121109fb2125b411671037d7112b715563066300",
    "00000012101297115b814757164562ccfd41047111330",
    "00001112102af93572116cc4102793105925663146311",
    "1000001110256537b511efc61e86c6c63b69755325521",
    "00000122115cfe8112650147201561125411342101211",
    "10000012205a9a4684636fd526bd93687d86948524321",
    "000011221059c93a66b5b82b97bbf713ab316a4114311",
)
"""The device's digits, nine rows of five pixels each, how dark in hexadecimal."""


def printed_rate(image: NDArray[np.uint8]) -> int | None:
    """Read the heart rate behind the heart.

    Parameters
    ----------
    image : uint8 array, shape (660, 929, 3)
        BGR.

    Returns
    -------
    int or None
        Beats per minute; None if there is no heart, or what follows it is no number.
    """
    if image.shape[:2] != SIZE:
        return None
    foot = image[_FOOT].min(axis=2)
    end = _heart(foot < _DARK)
    if end is None:
        return None
    run = 255 - foot[2:12, end : end + 22].astype(np.float32)
    third = run[2:9, 10:16].sum(axis=0).max() > _INK
    digits = [_digit(run, place, (1, 2) if third and place == 0 else range(10)) for place in range(3 if third else 2)]
    if any(digit is None for digit in digits):
        return None
    return int("".join(str(digit) for digit in digits))


def _heart(ink: NDArray[np.bool_]) -> int | None:
    """Return the column behind the first blot of 6 × 6 pixels that is two thirds ink."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ink.any(axis=0), [0]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        blot = ink[_HEART_ROWS, first:last]
        if 5 <= last - first <= 7 and blot.mean() > 0.6 and not ink[: _HEART_ROWS.start, first:last].any():
            return int(last)
    return None


def _digit(run: NDArray[np.float32], place: int, among: Sequence[int]) -> int | None:
    best, value = _LEAST, None
    for shift in _SHIFTS:
        at = np.array([[1, 0, _FIRST_PX + _PITCH_PX * place + shift], [0, 1, 0]], np.float32)
        seen = cv2.warpAffine(run, at, (5, 9), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP).ravel()
        for digit in among:
            known = np.array([int(level, 16) for level in _DIGITS[digit]], np.float32)
            alike = float(np.corrcoef(seen, known)[0, 1]) if np.ptp(seen) else 0.0
            if alike > best:
                best, value = alike, digit
    return value
