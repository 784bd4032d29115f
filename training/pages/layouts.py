"""Which lead stands where on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
LAYOUTS = ("strip", "rows", "3x4", "3x4+1", "3x4+3", "6x2", "6x2+1", "12x1")
"""Names of the arrangements that can be printed."""

_GRID_3X4 = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_RHYTHM = {"3x4": (), "3x4+1": ("II",), "3x4+3": ("V1", "II", "V5")}


@dataclass(frozen=True)
class Place:
    """One printed piece of a lead: its row, and columns ``[first, last)`` of `columns`."""

    lead: str
    row: int
    first: int
    last: int
    columns: int


def arrange(layout: str, leads: Sequence[str]) -> tuple[Place, ...]:
    """Return the pieces of a page, row by row.

    Parameters
    ----------
    layout : str
        One of `LAYOUTS`.
    leads : sequence of str
        Leads that there are; ``strip`` prints the first, ``rows`` all, the others the twelve.

    Raises
    ------
    ValueError
        If the layout is unknown or a lead that it prints is not there.
    """
    rows = _rows(layout, leads)
    missing = sorted({lead for row in rows for lead in row} - set(leads))
    if missing:
        raise ValueError(f"layout {layout} prints {', '.join(missing)}, which the record does not have")
    return tuple(Place(lead, r, c, c + 1, len(row)) for r, row in enumerate(rows) for c, lead in enumerate(row))


def _rows(layout: str, leads: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    if layout == "strip":
        return ((leads[0],),)
    if layout == "rows":
        return tuple((lead,) for lead in leads)
    if layout == "12x1":
        return tuple((lead,) for lead in LIMB + CHEST)
    if layout in ("6x2", "6x2+1"):
        return tuple(zip(LIMB, CHEST, strict=True)) + ((("II",),) if layout.endswith("+1") else ())
    if layout in _RHYTHM:
        return _GRID_3X4 + tuple((lead,) for lead in _RHYTHM[layout])
    raise ValueError(f"unknown layout {layout!r}; there are {', '.join(LAYOUTS)}")
