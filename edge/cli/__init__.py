"""The command line: parse, call, exit code. No logic."""
