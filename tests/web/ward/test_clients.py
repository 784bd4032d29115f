"""What waits for a browser is bounded, and a slow one is told."""

from __future__ import annotations

import asyncio

from ward_devices import vitals

from edge.contract import topics
from edge.contract.encoder import encode
from edge.web.clock import Now
from edge.web.ward.clients import EventClient, Lost, WaveClient
from edge.web.ward.hub import Hub


def test_a_slow_browser_is_told_the_newest_of_each_bed_once() -> None:
    async def run() -> bytes:
        client = EventClient()
        for n in range(10_000):
            client.put("bed-1", f"one {n};".encode())
        client.put("bed-2", b"two;")
        return await client.take()

    assert asyncio.run(run()) == b"one 9999;two;"


def test_who_joins_is_told_the_ward_first_and_last_that_this_is_all_whatever_comes_meanwhile() -> None:
    async def run() -> list[str]:
        hub = Hub(None)
        for device in ("ward", "all", "bed-1"):
            hub.ward.take(topics.VITALS.of(device), encode(vitals(device)), Now.read())
        client = hub.join_events()
        hub._heartbeat()
        hub._flush(*hub.ward.beds.values())
        told = (await client.take()).decode().split("\n\n")
        return [event.partition("\n")[0].removeprefix("event: ") for event in told if event]

    assert asyncio.run(run()) == ["ward", "bed", "bed", "bed", "all"]


def test_a_browser_that_takes_no_samples_loses_them_is_told_and_at_last_sent_away() -> None:
    async def run() -> tuple[object, object, bool]:
        client = WaveClient()
        for _ in range(31):
            client.put([(0, b"x")])
        told, rest = await client.take(), await client.take()
        for _ in range(100):
            client.put([(0, b"x")])
        return told, rest, client.hopeless

    assert asyncio.run(run()) == (Lost(30), b"x", True)


def test_one_that_keeps_up_again_is_forgiven() -> None:
    async def run() -> bool:
        client = WaveClient()
        for _ in range(5):
            for _ in range(31):
                client.put([(0, b"x")])
            await client.take()
            await client.take()
            waiting = asyncio.create_task(client.take())
            await asyncio.sleep(0)
            client.put([(0, b"x")])
            await waiting
        return client.hopeless

    assert not asyncio.run(run())


def test_a_browser_is_given_the_beds_that_it_shows() -> None:
    async def run() -> object:
        client = WaveClient()
        client.beds = frozenset({2})
        client.put([(1, b"one"), (2, b"two")])
        return await client.take()

    assert asyncio.run(run()) == b"two"
