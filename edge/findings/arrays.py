"""Arrays within findings: the beats, and the samples of strips, with their JSON form."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

BEAT = np.dtype(
    [("sample", "<i8"), ("time_s", "<f8"), ("label", "<U1"), ("score", "<f4"), ("rr_ms", "<f4")],
)
"""A beat of `Findings.beats`; `rr_ms` is NaN where there is no beat before."""

NO_VALUE = int(np.iinfo(np.int32).min)
"""Stands for a missing sample in `StripFinding.uv`; null in JSON."""

_NUMBERS = {"type": "array", "items": {"type": ["number", "null"]}}
_BEATS_FORM = {
    "type": "object",
    "description": "One entry per beat in each: R peak, AAMI class, its calibrated probability, ms to the beat before.",
    "properties": {
        "sample": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "time_s": _NUMBERS,
        "label": {"type": "string", "pattern": "^[NSVFQ]*$"},
        "score": _NUMBERS,
        "rr_ms": _NUMBERS,
    },
    "required": ["sample", "time_s", "label", "score", "rr_ms"],
}
_UV_FORM = {
    "type": "array",
    "description": "One list per lead, µV, null where there is no value.",
    "items": {"type": "array", "items": {"type": ["integer", "null"]}},
}

BeatArray = Annotated[NDArray[np.void], Meta(extra_json_schema=_BEATS_FORM)]
MicroVolts = Annotated[NDArray[np.int32], Meta(extra_json_schema=_UV_FORM)]


def encode(value: object) -> Any:
    """Return an array as JSON has it, for msgspec."""
    if isinstance(value, np.ndarray) and value.dtype == BEAT:
        return {
            "sample": value["sample"].tolist(),
            "time_s": np.round(value["time_s"], 4).tolist(),
            "label": "".join(value["label"].tolist()),
            "score": [round(score, 4) for score in value["score"].tolist()],
            "rr_ms": [None if rr != rr else round(rr, 2) for rr in value["rr_ms"].tolist()],  # noqa: PLR0124
        }
    if isinstance(value, np.ndarray):
        return [[None if v == NO_VALUE else v for v in lead] for lead in value.tolist()]
    raise NotImplementedError(f"{type(value)} has no JSON form")


def decode(kind: Any, value: Any) -> Any:
    """Return an array out of JSON, for msgspec.

    Raises
    ------
    ValueError
        If it has another form.
    """
    try:
        if "void" in str(kind):
            beats = np.zeros(len(value["sample"]), BEAT)
            beats["sample"], beats["time_s"] = value["sample"], value["time_s"]
            beats["label"], beats["score"] = list(value["label"]), value["score"]
            beats["rr_ms"] = np.array([np.nan if rr is None else rr for rr in value["rr_ms"]], np.float32)
            return beats
        return np.array([[NO_VALUE if v is None else v for v in lead] for lead in value], np.int32)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"is no such form: {error}") from error
