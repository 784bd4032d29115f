"""Tables of samples: CSV and TXT as tools, wearables and people write them.

What a file says of itself is believed, what it does not say is found out from how it looks and told as a note; what
cannot be found out is asked for.
"""

from edge.sources.table.recording import open_table

__all__ = ["open_table"]
