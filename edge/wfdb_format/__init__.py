"""WFDB files as bytes and values: headers, signals, annotations. Opens no files and knows no events."""
