"""Coverage-guided fuzzing of every decoder with atheris; `python fuzz_decoders.py -max_total_time=600` by hand.

Whatever the bytes are: no exception but the one that is meant for users, and memory stays bounded.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["firmware_bridge", "edge.sources"]):
    from edge.errors import SourceError
    from edge.sources.serial.assembly import Assembler
    from edge.sources.serial.boards import FORMATS
    from edge.sources.serial.settings import BoardSettings
    from firmware_bridge import cyton, openview, text
    from firmware_bridge.codec import MAX_ENCODED, Decoder, encode

_MOST_HELD = 256


def one(data: bytes) -> None:
    """Give the same bytes, cut as their first byte says, to everything that takes bytes."""
    step, wire = (data[0] or 256, data[1:]) if data else (1, b"")
    native, others = Decoder(), [openview.Decoder(), cyton.Decoder(), text.Decoder()]
    boards = [make(BoardSettings()) for make in FORMATS.values()]
    assemblers = [Assembler("fuzz", 0.0) for _ in boards]
    for at in range(0, len(wire), step):
        part = wire[at : at + step]
        for frame in native.push(part):
            encode(frame)
        assert native.held <= MAX_ENCODED
        for decoder in others:
            decoder.push(part)
            assert len(decoder._rest) <= _MOST_HELD
        for board, assembler in zip(boards, assemblers, strict=True):
            with contextlib.suppress(SourceError):
                for item in board.push(part):
                    assembler.push(item, at * 0.01)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
