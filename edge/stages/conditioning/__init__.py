"""Source samples brought to one rate and freed of baseline wander and mains."""

from edge.stages.conditioning.stage import Conditioning

__all__ = ["Conditioning"]
