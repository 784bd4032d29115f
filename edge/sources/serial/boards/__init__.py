"""Boards with an ECG front end, each format a small class that is given bytes and returns items.

`edge.sources.serial.recognition` finds out which one a board speaks, `edge.sources.serial.assembly` makes the items
into one stream.
"""

from __future__ import annotations

from collections.abc import Callable

from edge.sources.serial.boards.cyton import Cyton
from edge.sources.serial.boards.items import BoardFormat
from edge.sources.serial.boards.native import Native
from edge.sources.serial.boards.openview import OpenView
from edge.sources.serial.boards.text import Text
from edge.sources.serial.settings import BoardSettings, FormatName

FORMATS: dict[FormatName, Callable[[BoardSettings], BoardFormat]] = {
    "native": Native,
    "openview": OpenView,
    "cyton": Cyton,
    "text": Text,
}
"""By the name `--format` takes, the surest first."""
