"""What is asked in a soak: pictures whose colours say which they are, and requests whose answers can be judged."""

import asyncio
import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context

from bench.clients import warmed
from services.ids import image_id
from tests.faults.generator import offered
from tests.faults.report import Answer, Load, Report, Request, judged
from tests.faults.tagged import tagged

WIDTHS = range(128, 320)
# Without that which is the default: a URL that spells it out is answered by a 308.
QUALITIES = [quality for quality in range(40, 91) if quality != 80]
FORMATS = ("webp", "jpg")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One that is stored."""

    number: int
    id: str


async def store(url: str, *, number: int, width: int, height: int) -> list[Picture]:
    """So many new pictures, warmed; who is told to try again does so."""
    waiting = {each: tagged(each, width, height) for each in range(number)}
    pictures = {each: Picture(number=each, id=id_of(data)) for each, data in waiting.items()}
    while waiting:
        answers = (await offered(url, [upload(data) for data in waiting.values()], rate=5, patience=60)).answers
        if bad := {answer.status for answer in answers} - {201, 503}:
            raise RuntimeError(f"the first pictures could not be stored: {bad}")
        waiting = {each: data for each, data in waiting.items() if not _is_stored(data, answers)}
    for picture in pictures.values():
        await asyncio.to_thread(warmed, url, picture.id)
    return list(pictures.values())


def _is_stored(data: bytes, answers: list[Answer]) -> bool:
    return any(answer.status == 201 and answer.request.body is data for answer in answers)


def id_of(original: bytes) -> str:
    return image_id(hashlib.sha256(original).hexdigest())


def upload(original: bytes) -> Request:
    return Request(target="/images", kind="upload", method="POST", body=original)


def hit(picture: Picture) -> Request:
    """Of a variant that was built when the picture came."""
    return Request(target=f"/img/{picture.id}/w256.webp", kind="hit", number=picture.number, width=256)


def original(picture: Picture) -> Request:
    return Request(target=f"/img/{picture.id}", kind="original", number=picture.number)


def cold(pictures: list[Picture], widths: range = WIDTHS, formats: tuple[str, ...] = FORMATS, *, seed: int = 1) -> Iterator[Request]:
    """Variants that nobody asked for before, in an order that has no order; they end when there are no more."""
    kinds = [(width, quality, format) for width in widths for quality in QUALITIES for format in formats]
    random.Random(seed).shuffle(kinds)
    for lap in range(len(pictures)):
        for turn, (width, quality, format) in enumerate(kinds):
            picture = pictures[(turn + lap) % len(pictures)]
            target = f"/img/{picture.id}/w{width},q{quality}.{format}"
            yield Request(target=target, kind="cold", number=picture.number, width=width)


def made(bodies: list[bytes], turn: int) -> Request:
    """A picture that is sent, transformed and forgotten; the bodies are those of the numbers 0, 1, 2…"""
    number = turn % len(bodies)
    return Request(target="/transform/w200.webp", kind="transform", method="POST", body=bodies[number], number=number, width=200)


def new_uploads(bodies: list[bytes]) -> Iterator[Request]:
    """Pictures that were never there: each has a comment of its own."""
    for turn in count():
        yield upload(_with_comment(bodies[turn % len(bodies)], f"upload {turn}"))


def _with_comment(jpeg: bytes, text: str) -> bytes:
    data = text.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(data) + 2).to_bytes(2) + data + jpeg[2:]


def mixed(pictures: list[Picture], bodies: list[bytes], *, seed: int = 1) -> Iterator[Request]:
    """Half of it hits, a quarter cold; the rest are originals, uploads and transforms."""
    chance = random.Random(seed)
    colds, uploads = cold(pictures, seed=seed), new_uploads(bodies)
    for turn in count():
        kind = chance.random()
        if kind < 0.50:
            yield hit(chance.choice(pictures))
        elif kind < 0.75:
            yield next(colds)
        elif kind < 0.85:
            yield original(chance.choice(pictures))
        elif kind < 0.95:
            yield next(uploads)
        else:
            yield made(bodies, turn)


async def judge(load: Load) -> Report:
    return await asyncio.to_thread(judged, load)


async def apart(url: str, requests: Iterable[Request], *, rate: float) -> Report:
    """As `offered`, in a process of its own: its latencies are not those of a generator that has more to do."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _offered, url, list(requests), rate)


def _offered(url: str, requests: list[Request], rate: float) -> Report:
    return judged(asyncio.run(offered(url, requests, rate=rate)))


def foreign_ids(report: Report) -> list[str]:
    """The ids in answers of 201 that are not those of what was sent."""
    created = [answer for answer in report.answers if answer.status == 201 and not answer.failure]
    told = {answer.digest: json.loads(report.load.bodies[answer.digest])["id"] for answer in created}
    return [told[answer.digest] for answer in created if told[answer.digest] != id_of(answer.request.body)]
