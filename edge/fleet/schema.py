"""The tables that a bulk re-analysis writes: their columns, and the version of them all."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = 1
"""Version of the tables. A column may be added within it; one that changes its meaning makes it 2."""

_LABELS = ("N", "S", "V", "F", "Q")


def _schema(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([("record", pa.string()), *columns], metadata={"ecg_edge_schema": str(SCHEMA)})


_COUNTS = tuple((label, pa.int32()) for label in _LABELS)

BEATS = _schema(
    ("sample", pa.int64()),  # the R peak, in the record's own numbers
    ("time_s", pa.float64()),  # since the record's first sample
    ("label", pa.string()),
    ("score", pa.float32()),
    ("rr_ms", pa.float32()),
)
EPISODES = _schema(
    ("number", pa.int32()),
    ("kind", pa.string()),
    ("onset", pa.int64()),
    ("end", pa.int64()),  # null: it lasted until the record's end
    ("onset_s", pa.float64()),
    ("end_s", pa.float64()),
    ("evidence", pa.string()),  # JSON, as alerts have it
)
VITALS = _schema(
    ("minute", pa.int32()),  # since the record's first sample
    ("seconds", pa.int32()),
    ("readable_s", pa.int32()),
    ("hr_mean", pa.float32()),  # per minute, of those seconds in which it could be told
    ("hr_min", pa.float32()),
    ("hr_max", pa.float32()),
    *_COUNTS,
)
SUMMARY = _schema(
    ("name", pa.string()),
    ("status", pa.string()),  # ok, partial or failed
    ("reason", pa.string()),
    ("fs_hz", pa.float64()),
    ("leads", pa.list_(pa.string())),
    ("ecg_s", pa.float64()),
    ("unreadable_s", pa.int32()),
    ("hr_mean", pa.float32()),
    ("hr_min", pa.float32()),
    ("hr_max", pa.float32()),
    ("rr_mean_ms", pa.float32()),
    ("rr_sd_ms", pa.float32()),
    *_COUNTS,
    ("episodes", pa.map_(pa.string(), pa.int32())),
    ("alerts", pa.map_(pa.string(), pa.int32())),
    ("notes", pa.list_(pa.string())),
    ("model", pa.string()),
    ("model_sha256", pa.string()),
    ("version", pa.string()),
)
TABLES: dict[str, pa.Schema] = {"beats": BEATS, "episodes": EPISODES, "vitals": VITALS, "summary": SUMMARY}
"""By the name of their folder; the one that is written last, and so says that the others are there, last."""
