"""What can be said of a stream, made from its events alone: the one form that report, web page, API and exports share.

>>> collector = Collector(model)
>>> for message in analysis: collector.take(message)      # Stream first, then events and samples
>>> findings = collector.findings()
"""

from edge.findings.collector import Collector
from edge.findings.findings import Findings

__all__ = ["Collector", "Findings"]
