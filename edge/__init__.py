"""ecg-edge: beats found, classified and watched on the device.

>>> import edge
>>> findings = edge.analyze("208", data=mitdb)       # or an array with fs_hz, a CSV, an EDF
>>> findings.summary(), findings.beats, findings.episodes
>>> findings.report("208.html")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.api import Analyzed, Pipeline, analyze

__version__ = "0.1.0"

__all__ = ["Analyzed", "Pipeline", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    # What a command does not need it does not wait for.
    if name in ("Analyzed", "Pipeline", "analyze"):
        from importlib import import_module  # noqa: PLC0415

        return getattr(import_module("edge.api"), name)
    raise AttributeError(f"module 'edge' has no attribute {name!r}")
