"""A recording on disk: a ring of segments, each a WFDB record once it is finished."""
