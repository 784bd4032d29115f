"""From a picture of ECG paper to samples: paper, grid, traces, leads. Knows cv2, nothing of streams."""

from edge.paper.digitize import digitize, read_picture
from edge.paper.result import Digitized, Lead, Refusal

__all__ = ["Digitized", "Lead", "Refusal", "digitize", "read_picture"]
