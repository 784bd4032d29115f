"""What is wrong with the machine itself."""

from __future__ import annotations

import pytest

from edge.service.health import Health


class Clocks:
    """A steady clock, and one of the day that can be set."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.set_s = 0.0

    def wall_s(self) -> float:
        return 1.7e9 + self.now_s + self.set_s

    def steady_s(self) -> float:
        return self.now_s


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def health(clocks: Clocks) -> Health:
    return Health(wall_s=clocks.wall_s, now_s=clocks.steady_s)


@pytest.mark.parametrize(
    ("step_s", "told"),
    [
        (0.0, ()),
        (0.9, ()),
        (-0.9, ()),
        (1.1, ("clock was set forward by 1 s",)),
        (2.0, ("clock was set forward by 2 s",)),
        (-2.0, ("clock was set back by 2 s",)),
        (86_400.0, ("clock was set forward by 86400 s",)),
    ],
)
def test_a_clock_that_is_set_is_told_for_a_while(
    health: Health, clocks: Clocks, step_s: float, told: tuple[str, ...]
) -> None:
    assert health.problems() == ()
    clocks.now_s += 10
    clocks.set_s += step_s
    assert health.problems() == told
    clocks.now_s += 30
    assert health.problems() == told
    clocks.now_s += 3600
    assert health.problems() == ()


def test_a_clock_that_is_drawn_slowly_is_not_set(health: Health, clocks: Clocks) -> None:
    # As time servers do: 500 millionths faster, half a second in all.
    for _ in range(100):
        clocks.now_s += 10
        clocks.set_s += 0.005
        assert health.problems() == ()
