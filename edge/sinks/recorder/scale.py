"""From mV to numbers of 16 bit, WFDB's format 16."""

from __future__ import annotations

import math

import msgspec

from edge.wfdb_format.signals import no_value

INVALID = no_value(16)

MOST = 32767
LEAST_GAIN = 0.1
# IEC 60601-2-25 and -2-47 ask for steps of at most 5 µV; where a converter's whole range does not fit at that …
_COARSEST = 200.0
# … steps of 1 µV hold ±32 mV, more than electrodes on skin usually give, and are doubled as long as need be.
_FINEST = 1000.0


class Scale(msgspec.Struct, frozen=True, array_like=True):
    """How a lead's mV become numbers of 16 bit.

    Attributes
    ----------
    gain : float
        Steps per mV.
    baseline : int
        The number of 0 mV.
    whole : bool
        Whether the converter's whole range fits, so that nothing can exceed it.
    """

    gain: float
    baseline: int = 0
    whole: bool = False


def scale(limits_mv: tuple[float, float] | None, highest_mv: float) -> Scale:
    """Return the scale for a lead whose converter has these limits (None if unknown), with values up to `highest_mv`.

    A converter of 16 bit is met step by step.
    """
    low, high = limits_mv or (0.0, 0.0)
    whole = None
    if high > low and math.isfinite(high - low):
        gain = _rounded(2 * MOST + 1, high - low)
        whole = Scale(gain, -int((low + high) / 2 * gain), True)
        if gain >= _COARSEST:
            return whole
    gain = _FINEST
    while highest_mv * gain > MOST and gain > LEAST_GAIN:
        gain /= 2
    return whole if whole is not None and gain <= whole.gain else Scale(gain)


def _rounded(steps: float, mv: float) -> float:
    # As the header will say it.
    return float(f"{steps / mv:.10g}")
