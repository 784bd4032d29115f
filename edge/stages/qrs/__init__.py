"""R peaks, from one lead or several."""

from edge.stages.qrs.stage import QrsDetector

__all__ = ["QrsDetector"]
