"""The wire between board and host: frames, codec, formats of other boards, and a board in software.

Imports nothing of the other packages. The protocol is described in docs/serial-protocol.md.
"""
