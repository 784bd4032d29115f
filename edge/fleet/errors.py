"""What can go wrong with many machines."""

from __future__ import annotations

from edge.errors import EcgEdgeError


class FleetError(EcgEdgeError):
    """Work over many records or devices cannot go on.

    Parameters
    ----------
    what : str
        The scheduler, folder, database or list.
    reason : str
        Why not.
    fix : str
        What to do about it.
    """

    def __init__(self, what: str, reason: str, fix: str = "") -> None:
        super().__init__(f"{what}: {reason}", fix)
        self.reason = reason


class MismatchError(FleetError):
    """A worker is of another version, or has another model, than whoever asks it.

    Parameters
    ----------
    wanted, found : str
        What was asked for, and what the worker has.
    """

    def __init__(self, wanted: str, found: str) -> None:
        super().__init__("a worker", f"has {found}, wanted is {wanted}", "install one version on all machines")
        self.wanted, self.found = wanted, found

    def __reduce__(self) -> tuple[type[MismatchError], tuple[str, str]]:
        """Errors travel from workers."""
        return MismatchError, (self.wanted, self.found)
