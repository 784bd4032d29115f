"""Boards on a serial port, or behind a socket."""
