"""What can go wrong, each with its facts as fields and one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterable


def one_line(text: str) -> str:
    r"""Return a text as one line that does nothing to a terminal, whatever file or board it came from.

    >>> one_line("lead\x1b[2J  V1\n")
    'lead?[2J V1'
    """
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return a text with a question mark for each character that might do something to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def printable_text(text: str) -> str:
    """Return lines that do nothing to a terminal but follow each other."""
    return "\n".join(map(printable, text.split("\n")))


def how_to_install(extra: str = "") -> str:
    """Return the command that installs this program, with an extra: it is on no package index."""
    what = f".[{extra}]" if extra else "."
    return f"`pip install -c constraints.txt '{what}'` in a clone of ecg-edge, or its wheel's path in place of the dot"


class EcgEdgeError(Exception):
    """Something the user can act on; shown as one line, never as a traceback.

    Parameters
    ----------
    what : str
        What is wrong, naming the offending thing.
    fix : str
        What to do about it.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        line = f"{self.what}: {self.fix}" if self.fix else self.what
        return one_line(line)


class SourceError(EcgEdgeError):
    """Samples cannot be had from this source.

    Parameters
    ----------
    source : str
        The record, file or port.
    reason : str
        Why not.
    fix : str
        What to do about it.
    """

    def __init__(self, source: str, reason: str, fix: str = "") -> None:
        super().__init__(f"{source}: {reason}", fix)
        self.source = source
        self.reason = reason


class ModelError(EcgEdgeError):
    """A model, its card or the interpreter is missing, or they do not fit each other.

    Parameters
    ----------
    model : str
        The model's name or file.
    reason : str
        Why it cannot be used.
    fix : str
        What to do about it.
    """

    def __init__(self, model: str, reason: str, fix: str = "") -> None:
        super().__init__(f"model {model}: {reason}", fix)
        self.model = model
        self.reason = reason


class ConfigError(EcgEdgeError):
    """A configuration that cannot be used.

    Parameters
    ----------
    key : str
        Dotted name of the offending key, an option of the command line, or the file.
    reason : str
        What is wrong with it.
    choices : iterable of str
        What is allowed there, where that is a short list.
    file : str
        The file that says it, if it is known.
    """

    def __init__(self, key: str, reason: str, choices: Iterable[str] = (), file: str = "") -> None:
        self.key = key
        self.reason = reason
        self.choices = tuple(choices)
        self.file = file
        where = key if key.startswith("--") else f"config {file}: {key}" if file else f"config {key}"
        super().__init__(f"{where}: {reason}", f"choose from {', '.join(self.choices)}" if self.choices else "")

    def within(self, file: str) -> ConfigError:
        """Return the same error as of a file, unless it is of one already or of the command line."""
        told = self.file or self.key == file or self.key.startswith("--")
        return self if told else ConfigError(self.key, self.reason, self.choices, file)


class SinkError(EcgEdgeError):
    """A result cannot be delivered or written.

    Parameters
    ----------
    sink : str
        The broker or file.
    reason : str
        Why not.
    fix : str
        What to do about it.
    """

    def __init__(self, sink: str, reason: str, fix: str = "") -> None:
        super().__init__(f"{sink}: {reason}", fix)
        self.sink = sink
        self.reason = reason
