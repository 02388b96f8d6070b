"""How long anybody waits for a body, with short times; the real ones are tried in `make soak` (tests/faults/test_clients.py)."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message

from proxy import arriving
from proxy.arriving import Arriving
from proxy.errors import SlowBody
from services.errors import BodyTooLarge

pytestmark = pytest.mark.anyio

PATIENCE = 0.3
BYTES_PER_SECOND = 1000
# The seconds before a piece of the body, and the bytes in it.
Pieces = Sequence[tuple[float, int]]
SCOPE = {"type": "http", "headers": []}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "PATIENCE", PATIENCE)
    monkeypatch.setattr(arriving, "BYTES_PER_SECOND", BYTES_PER_SECOND)


def sent(pieces: Pieces, *, maximum: int = 10_000) -> Arriving:
    left = list(pieces)

    async def receive() -> Message:
        if not left:
            await asyncio.sleep(PATIENCE * 2)
            return {"type": "http.disconnect"}
        seconds, size = left.pop(0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": b"a" * size, "more_body": bool(left)}

    return Arriving(SCOPE, receive, maximum=maximum)


async def read(body: Arriving) -> int:
    size, more = 0, True
    while more:
        message = await body()
        size += len(message["body"])
        more = message["more_body"]
    return size


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([(0, 5000)], id="at once"),
        pytest.param([(PATIENCE * 0.6, 1), (PATIENCE * 0.2, 1)], id="a little late"),
        pytest.param([(PATIENCE * 0.6, 300)] * 4, id="slow and steady"),
    ],
)
async def test_a_body_that_comes_in_time_is_read(pieces: Pieces) -> None:
    assert await read(sent(pieces)) == sum(size for _, size in pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([(PATIENCE * 2, 1)], id="silence"),
        pytest.param([(0, 5000), (PATIENCE * 2, 1)], id="silence in its middle, whatever came before"),
        pytest.param([(PATIENCE * 0.4, 1)] * 5, id="a byte now and then"),
    ],
)
async def test_a_body_that_comes_too_slowly_is_not_waited_for(pieces: Pieces) -> None:
    with pytest.raises(SlowBody):
        await read(sent(pieces))


async def test_the_time_that_we_take_is_not_the_senders() -> None:
    body = sent([(0, 1), (0, 1), (PATIENCE * 0.5, 1)])
    await body()
    await asyncio.sleep(PATIENCE * 2)
    assert await read(body) == 2


async def test_after_its_end_a_client_may_stay_as_long_as_it_likes() -> None:
    body = sent([(0, 1)])
    assert await read(body) == 1
    assert await body() == {"type": "http.disconnect"}


async def test_too_many_bytes_are_too_many_however_slowly_they_come() -> None:
    with pytest.raises(BodyTooLarge):
        await read(sent([(PATIENCE * 0.1, 60)] * 2, maximum=100))
