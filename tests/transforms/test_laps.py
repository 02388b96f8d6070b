"""What is told of the time that a call took: every stage that has a border, and nothing that was not measured."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.photos import photo
from tests.pictures import animation
from transforms.engine import execute, prepare
from transforms.engine.posted import transform
from transforms.grammar import parse
from transforms.laps import lap, timed
from transforms.limits import ACCEPTED, Limits
from transforms.pool import RenderPool
from transforms.values import Facts

pytestmark = pytest.mark.anyio

PHOTO = Facts(format="jpg", width=400, height=300)
MOVING = Facts(format="gif", width=60, height=40, frames=3)


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(workers=1, prepare=partial(prepare, ACCEPTED))
    await pool.warm_up()
    yield pool
    await pool.close()


@pytest.mark.parametrize(
    ("asked", "facts", "stages"),
    [
        ("w100.webp", PHOTO, ["queue", "render"]),
        ("_.avif", PHOTO, ["queue", "render"]),
        ("w100/rotate45.webp", PHOTO, ["queue", "decode", "render"]),
        ("w100,q_auto.webp", PHOTO, ["queue", "render", "encode"]),
        ("w100,blur2,maxbytes2000.jpg", PHOTO, ["queue", "decode", "render", "encode"]),
        ("w40.txt", PHOTO, ["queue", "render"]),
        ("w30.webp", MOVING, ["queue", "decode", "render"]),
    ],
)
async def test_a_render_tells_its_stages_and_they_are_no_longer_than_it_took(
    pool: RenderPool, tmp_path: Path, asked: str, facts: Facts, stages: list[str]
) -> None:
    path, (text, _, format) = tmp_path / "picture", asked.rpartition(".")
    path.write_bytes(photo(400, 300) if facts is PHOTO else animation(frames=3))
    began = time.monotonic()
    _, took = await pool.timed(execute, parse(text, format).resolve(facts).plan, path, facts, Limits())
    assert list(took) == stages
    assert all(seconds >= 0 for seconds in took.values())
    assert sum(took.values()) <= time.monotonic() - began


async def test_a_posted_picture_tells_its_stages_too(pool: RenderPool, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(photo(400, 300))
    work = partial(transform, accept=None, order=("webp",))
    _, took = await pool.timed(work, parse("w90,blur3", "auto"), path, Limits(), {})
    assert list(took) == ["queue", "decode", "render"]


async def test_time_in_the_queue_is_no_work(pool: RenderPool) -> None:
    first, second = await asyncio.gather(pool.timed(time.sleep, 0.3), pool.timed(abs, -1))
    assert first[1]["render"] >= 0.3
    assert first[1]["queue"] < 0.3 <= second[1]["queue"] + 0.05
    assert second[0] == 1
    assert second[1]["render"] < 0.1


def test_the_parts_are_all_of_the_time_and_the_same_part_twice_is_one() -> None:
    def work() -> str:
        for name in ("decode", "encode", "decode"):
            time.sleep(0.01)
            lap(name)
        time.sleep(0.01)
        return "done"

    began = time.monotonic()
    done = timed(work)
    took = time.monotonic() - began
    assert (done.result, list(done.laps)) == ("done", ["decode", "encode", "render"])
    assert done.laps["decode"] >= 0.02
    assert 0.04 <= sum(done.laps.values()) <= took
    lap("decode")
    assert list(done.laps) == ["decode", "encode", "render"], "nobody measures by now"
