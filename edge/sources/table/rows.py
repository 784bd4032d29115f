"""The rows of a table, some at a time, as numbers; and as they are written where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.errors import SourceError
from edge.sources.table.text import GROUPED, Layout


class Rows(msgspec.Struct, frozen=True, eq=False):
    """Some rows that follow each other.

    Attributes
    ----------
    numbers : float array, shape (n, n_columns)
        NaN where a cell is no number.
    cells : dict of list of str
        Columns as they are written, by index, of those that were asked for.
    """

    numbers: NDArray[np.float64]
    cells: dict[int, list[str]]


def read_rows(path: Path, layout: Layout, n: int, as_text: Sequence[int] = ()) -> Iterator[Rows]:
    """Yield the rows of a table, at most `n` at a time; a row with too many cells is left out.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        How it is written.
    n : int
        Rows at a time.
    as_text : sequence of int
        Columns that are wanted as they are written.

    Raises
    ------
    SourceError
        If it cannot be read on.
    """
    import pandas as pd  # noqa: PLC0415  (half a second to import)

    separator = {" ": r"\s+", "": "\x01"}.get(layout.separator, layout.separator)
    with _opened(path, layout) as file:
        try:
            reader = pd.read_csv(
                file,
                sep=separator,
                header=None,
                names=list(range(layout.columns)),
                usecols=list(range(layout.columns)),
                index_col=False,
                dtype=dict.fromkeys(as_text, str),
                decimal=layout.decimal,
                skipinitialspace=True,
                on_bad_lines="skip",
                chunksize=n,
                low_memory=False,
            )
            for frame in reader:
                yield Rows(_numbers(frame, layout), {i: _text(frame[i]) for i in as_text})
        except pd.errors.EmptyDataError:
            return
        except pd.errors.ParserError as error:
            raise SourceError(path.name, f"cannot be read on ({error})", "what could be was used") from error


def _opened(path: Path, layout: Layout) -> IO[str]:
    """Open the text at its first row; any end of line will do."""
    file = path.open(encoding=layout.encoding, errors="replace", newline=None)
    for _ in range(layout.first):
        file.readline()
    return file


def _text(column: Any) -> list[str]:
    return [cell.strip(" '\"") if isinstance(cell, str) else "" for cell in column]


def _numbers(frame: Any, layout: Layout) -> NDArray[np.float64]:
    import pandas as pd  # noqa: PLC0415

    out = np.full((len(frame), layout.columns), np.nan)
    for i in range(layout.columns):
        column = frame[i]
        if column.dtype.kind not in "iufb":
            text = column.astype(str).str.strip(" '\"")
            if layout.thousands:  # only where a number is so written: other columns may have other decimals
                grouped = text.str.fullmatch(GROUPED[layout.decimal])
                text = text.where(~grouped, text.str.replace(layout.thousands, "", regex=False))
            text = text.str.replace(",", ".", regex=False) if layout.decimal == "," else text
            column = pd.to_numeric(text, errors="coerce")
        out[:, i] = column.to_numpy(np.float64)
    out[~np.isfinite(out)] = np.nan
    return out
