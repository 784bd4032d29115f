"""Findings as people look at them: HTML, PDF and SVG on true ECG paper, PNG.

>>> write_report(findings, Path("report.html"))
"""

from edge.report.write import write_report

__all__ = ["write_report"]
