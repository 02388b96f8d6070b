"""Transform: a picture that came with the request is changed and given back; nothing of it is kept."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from services.container import Services
from services.errors import BadRequest, EmptyUpload
from services.quarantine import quarantined
from services.receiving import received
from services.scratch import scratch_file
from services.sources import other_images
from services.values import Timings
from transforms.engine.posted import Transformed
from transforms.engine.posted import transform as transform_in_child
from transforms.formats import HEAD_BYTES, sniff
from transforms.operations.gravity import CENTER
from transforms.plan import Plan
from transforms.rewrites import expanded, with_focal


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A picture in a file; `format` is what its first bytes say, a name in FORMATS, `sha256` the hex digest of all of them."""

    path: Path
    format: str
    sha256: str


@asynccontextmanager
async def posted(services: Services, pictures: AsyncIterator[AsyncIterator[bytes]]) -> AsyncIterator[Posted]:
    """The one picture of a request, for as long as the context lives. Errors as for an upload, BadRequest when there are several."""
    services.pool.check_room()
    with scratch_file() as spool:
        count, digest = 0, hashlib.sha256()
        async for chunks in pictures:
            if (count := count + 1) > 1:
                raise BadRequest("Here one picture is transformed at a time.", expected="one part named 'image'")
            async for batch in received(services.limits, chunks, spool):
                digest.update(batch)
        if not count:
            raise EmptyUpload("There is no picture in the request.", expected="an image in the body")
        spool.seek(0)
        detected = sniff(spool.read(HEAD_BYTES))
        assert detected is not None  # or it had been refused
        yield Posted(path=Path(spool.name), format=detected, sha256=digest.hexdigest())


async def transform(services: Services, plan: Plan, picture: Posted, accept: str | None) -> tuple[Transformed, Timings]:
    """What the plan makes of it, and how long that took. No point is stored with it, so its middle is the focal one.

    Errors: PlanError, UnknownImage for another image that is not stored, ImageError, ImpossibleOutput, RenderUnavailable.
    """
    began = perf_counter()
    steered = with_focal(expanded(plan, services.presets), CENTER)
    async with other_images(services, steered) as images:
        fetched = perf_counter()
        work = partial(transform_in_child, accept=accept, order=services.auto_order)
        async with quarantined(services, picture.sha256, f"{picture.sha256}/{steered}.{steered.format}", steered):
            transformed, took = await services.pool.timed(work, steered, picture.path, services.limits, images)
    return transformed, (("fetch", fetched - began), *took.items())
