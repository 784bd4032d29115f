"""What a page looks like: how it is printed, how the paper lies, and how it was photographed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

GRID_COLOURS = ("red", "pink", "orange", "green", "blue", "grey")
GRID_STYLES = ("lines", "faint", "dots", "5mm", "none")
PULSES = ("left", "right", "none")
SURROUNDINGS = ("none", "table", "scan", "cropped")


@dataclass(frozen=True)
class Look:
    """How a page is printed and pictured. What is None is drawn from the seed; distortions are off unless given.

    Attributes
    ----------
    px_per_mm : float, optional
        Pixels per millimetre along the time axis of the undistorted page.
    aspect : float
        Pixels per millimetre of the voltage axis over those of the time axis.
    grid, grid_style : str, optional
        One of `GRID_COLOURS` and `GRID_STYLES`.
    pulse : str, optional
        Where the calibration pulse stands, one of `PULSES`.
    mm_per_s, mm_per_mv : float, optional
        Paper speed and gain. If drawn, other than 25 and 10 only where a pulse tells.
    pen_mm : float, optional
        Width of the trace.
    names, header : bool, optional
        Lead names and printed texts.
    separators : bool, optional
        Short strokes between the columns.
    handwriting, stamps : int
        How many notes in pen, how many stamps.
    rotation_deg, perspective : float
        Largest rotation to either side; largest shift of a corner as a fraction of the page's size.
    curl : float
        Height of the bent paper as a fraction of its width; waves, a cylinder or both.
    folds : int
        Folds and creases across the page.
    light, shadow, glare : float
        Depth of the light's gradient and of a cast shadow (0 to 1), strength of a reflection.
    defocus_px, motion_px : float
        Largest standard deviation of the blur; largest length of the hand's motion.
    moire, noise : float
        Depth of a screen's pixel pattern; standard deviation of the sensor's noise (0 to 1).
    jpeg : int, optional
        JPEG quality; None for no compression.
    surroundings : str
        What is seen around the page, one of `SURROUNDINGS`.
    """

    px_per_mm: float | None = None
    aspect: float = 1.0
    grid: str | None = None
    grid_style: str | None = None
    pulse: str | None = None
    mm_per_s: float | None = None
    mm_per_mv: float | None = None
    pen_mm: float | None = None
    names: bool | None = None
    header: bool | None = None
    separators: bool | None = None
    handwriting: int = 0
    stamps: int = 0
    rotation_deg: float = 0.0
    perspective: float = 0.0
    curl: float = 0.0
    folds: int = 0
    light: float = 0.0
    shadow: float = 0.0
    glare: float = 0.0
    defocus_px: float = 0.0
    motion_px: float = 0.0
    moire: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None
    surroundings: str = "none"

    @classmethod
    def clean(cls, **changes: Any) -> Look:
        """Return the page as a device or a program draws it."""
        return replace(cls(), **changes)

    @classmethod
    def rotated(cls, **changes: Any) -> Look:
        """Return a page laid askew: ±5° and corners off by up to 4 %."""
        return replace(cls(rotation_deg=5.0, perspective=0.04, surroundings="table"), **changes)

    @classmethod
    def lit(cls, **changes: Any) -> Look:
        """Return a page in uneven light, with a shadow and blur."""
        return replace(cls(light=0.4, shadow=0.35, defocus_px=1.2, motion_px=2.0, noise=0.01), **changes)

    @classmethod
    def phone(cls, **changes: Any) -> Look:
        """Return a page as a telephone's camera sees it: all of the above, curled, JPEG of quality 60."""
        base = cls(
            rotation_deg=5.0,
            perspective=0.04,
            curl=0.03,
            light=0.4,
            shadow=0.35,
            defocus_px=1.2,
            motion_px=2.0,
            noise=0.015,
            jpeg=60,
            surroundings="table",
        )
        return replace(base, **changes)

    @classmethod
    def screen(cls, **changes: Any) -> Look:
        """Return a page on a screen, photographed: moiré."""
        return replace(cls.phone(curl=0.0, moire=0.25, surroundings="scan"), **changes)

    @classmethod
    def used(cls, **changes: Any) -> Look:
        """Return a page that went through many hands: folded, written on, stamped, then scanned."""
        return replace(
            cls(folds=2, handwriting=3, stamps=1, rotation_deg=2.0, light=0.15, jpeg=80, surroundings="scan"), **changes
        )

    def drawn(self, rng: np.random.Generator) -> Look:
        """Return the look with everything that was left to the seed decided."""
        pulse = self.pulse or str(rng.choice(PULSES, p=(0.5, 0.2, 0.3)))
        told = pulse != "none"
        unusual = told and rng.random() < 0.2
        speed = float(rng.choice((25.0, 50.0)) if unusual else 25.0)
        gain = float(rng.choice((5.0, 10.0, 20.0), p=(0.5, 0.3, 0.2)) if unusual else 10.0)
        return replace(
            self,
            px_per_mm=self.px_per_mm or float(rng.uniform(6.0, 10.0)),
            grid=self.grid or str(rng.choice(GRID_COLOURS, p=(0.3, 0.25, 0.15, 0.1, 0.1, 0.1))),
            grid_style=self.grid_style or str(rng.choice(GRID_STYLES, p=(0.65, 0.12, 0.1, 0.13, 0.0))),
            pulse=pulse,
            mm_per_s=self.mm_per_s or speed,
            mm_per_mv=self.mm_per_mv or gain,
            pen_mm=self.pen_mm or float(rng.uniform(0.22, 0.5)),
            names=bool(rng.random() < 0.95) if self.names is None else self.names,
            header=bool(rng.random() < 0.7) if self.header is None else self.header,
            separators=bool(rng.random() < 0.3) if self.separators is None else self.separators,
        )
