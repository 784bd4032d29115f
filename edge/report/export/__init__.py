"""A recording and what was found in it, in the forms that other systems read."""

from edge.report.export.write import FORMS, write_export

__all__ = ["FORMS", "write_export"]
