"""Errors are one line that says what and what to do, with the facts as fields."""

from __future__ import annotations

import pytest

from edge.errors import ConfigError, EcgEdgeError, ModelError, SinkError, SourceError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (EcgEdgeError("it broke", "mend it"), "it broke: mend it"),
        (EcgEdgeError("it broke"), "it broke"),
        (EcgEdgeError("two\nlines", "and\n a\ttab"), "two lines: and a tab"),
        (SourceError("100", "is missing", "fetch it"), "100: is missing: fetch it"),
        (SinkError("mqtt://h", "refused", "start it"), "mqtt://h: refused: start it"),
        (ModelError("cnn", "has no card", "train it"), "model cnn: has no card: train it"),
        (ConfigError("model.name", "unknown", ["cnn", "lstm"]), "config model.name: unknown: choose from cnn, lstm"),
    ],
)
def test_an_error_is_one_line(error: EcgEdgeError, line: str) -> None:
    assert str(error) == line


def test_an_error_carries_its_facts() -> None:
    error = ConfigError("mqtt.url", "not a URL")
    assert (error.key, error.reason, error.choices) == ("mqtt.url", "not a URL", ())
    assert SourceError("100", "gone").source == "100"
