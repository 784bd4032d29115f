"""Archives of short records for the fleet's tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

FS_HZ = 360


def write(path: Path, mv: NDArray[np.float32]) -> Path:
    """Write a record of one lead, format 16, 1 µV a step; return its path without extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / f"{path.name}.dat").write_bytes(np.round(mv[:, 0] * 1000).astype("<i2").tobytes())
    (path.parent / f"{path.name}.hea").write_text(
        f"{path.name} 1 {FS_HZ} {len(mv)}\n{path.name}.dat 16 1000(0)/mV 16 0 0 0 0 MLII\n"
    )
    return path


def archive(folder: Path, mv: NDArray[np.float32], names: Sequence[str], seconds: int = 10) -> list[Path]:
    """Write records of so many seconds, each from another place of a signal."""
    n = seconds * FS_HZ
    starts = np.linspace(0, len(mv) - n, len(names)).astype(int)
    return [write(folder / name, mv[start : start + n]) for name, start in zip(names, starts, strict=True)]


def table(out: Path, name: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((out / name).glob("*.parquet")))


def contents(out: Path) -> dict[str, bytes]:
    """Return every file below a folder, by its name there."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
