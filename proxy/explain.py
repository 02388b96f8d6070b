"""`progimage explain`: what a picture's URL comes down to, step by step as a request goes."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from catalog.session import connect, revision_state
from proxy import logs
from proxy.admission import Asked
from proxy.errors import answer_to, problem_type, translated
from proxy.handlers.pictures import file_stem, original_terms, variant_terms
from proxy.http import Headers, json_headers, picture_headers
from proxy.image_path import split_url
from proxy.report import Fields, Report, shown
from proxy.server import CannotStart
from proxy.settings import Settings
from proxy.wiring import admission, blamed, build
from services import known
from services.container import Services
from services.explain import Kept, Making, Remembered, check_makeable, kept, making, remembered
from services.origins.source_url import SourceUrl
from services.resolving import foreseen
from services.values import KnownImage
from transforms.errors import ProgImageError
from transforms.operation import stage_text
from transforms.plan import Plan, Resolved, pipeline
from transforms.values import Facts

MEMORY = "the memory of each process is looked at first, and cannot be seen from here"
UPLOAD = "what is made of an upload lives in the memory of each process only"


def check_there(settings: Settings) -> None:
    """CannotStart when the catalog is a file that is not there: whoever only looks must not make one."""
    url = connect(settings.database_url).url
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise CannotStart(f"there is no catalog at {url.database}: is this the data folder of a server?")


async def report(settings: Settings, url: str, accept: str | None) -> Report:
    """Everything about the URL for a client that sends this Accept header. `redis_url` must be set.

    CannotStart when the schema is another version's, CatalogUnavailable when there is none to be looked at.
    """
    logs.configure(settings)
    await _check_schema(settings)
    async with build(settings, looking=True) as services:
        return await explained(services, settings, url, accept)


async def explained(services: Services, settings: Settings, url: str, accept: str | None) -> Report:
    """What is known until the request would be answered, or would fail."""
    found: Report = {}
    try:
        async for section, fields in _Explainer(services, settings, accept).sections(url):
            found.setdefault(section, {}).update({name: value for name, value in fields.items() if value is not None})
    except ProgImageError as error:
        found["problem"] = _problem(error)
    return found


async def _check_schema(settings: Settings) -> None:
    engine = connect(settings.database_url)
    try:
        with blamed("database_url"):
            state = await revision_state(engine)
    finally:
        await engine.dispose()
    if not state.usable:
        raise CannotStart(
            f"the catalog's schema is {state.current or 'empty'}, this version wants {state.head}: start `progimage serve` once"
        )


def _problem(error: ProgImageError) -> dict[str, object]:
    """As the answer would have it."""
    known_error = translated(error)
    answer = answer_to(type(known_error))
    named = {"type": problem_type(type(known_error)), "title": answer.title, "status": answer.status, "detail": str(known_error)}
    return {**named, **{name: value for name, value in known_error.facts.items() if value is not None}}


class _Explainer:
    """Sections come in the order in which a request meets them; one that comes again has more to say."""

    def __init__(self, services: Services, settings: Settings, accept: str | None) -> None:
        self._services, self._settings, self._accept = services, settings, accept

    async def sections(self, url: str) -> AsyncIterator[tuple[str, Fields]]:
        yield "url", {"asked": url}
        asked = self._admitted(url)
        yield (
            "url",
            {"canonical": asked.canonical, "answer": None if asked.spelled_right else "308 to the canonical URL, which is explained"},
        )
        yield "signature", self._signature(asked)
        fresh: int | None = None
        if asked.source:
            found = await self._remembered(asked, asked.source)
            yield "source", _source(asked.source, found)
            if found is None:
                return
            image, fresh = found.image, _fresh(found)
        else:
            image = await known.find(self._services, asked.path.image_id)
        yield "image", _image(image)
        if asked.path.steered and not asked.source:
            asked = replace(asked, path=asked.path.with_point(image.focal))
            yield "url", {"focal": f"307 to {asked.address(asked.path.accepted)}, which is explained"}
        if asked.path.plan is None:
            yield (
                "headers",
                _headers(picture_headers(f"{image.id}.{image.facts.format}", image.facts.format, image.etag, original_terms(asked, image))),
            )
            return
        async for section in self._variant(asked, image, asked.path.plan, fresh):
            yield section

    def _admitted(self, url: str) -> Asked:
        parts, path = split_url(url)
        return admission(self._settings).admitted(path, parts.path.encode(), parts.query.encode(), time.time())

    def _signature(self, asked: Asked) -> Fields:
        if not asked.signed:
            return {"verdict": "there is none, and none is needed"}
        return {"verdict": "good", "until": asked.expires and datetime.fromtimestamp(asked.expires, UTC)}

    async def _remembered(self, asked: Asked, source: SourceUrl) -> Remembered | None:
        self._services.origins.check(source, signed=asked.signed)
        return await remembered(self._services, source)

    async def _variant(self, asked: Asked, image: KnownImage, plan: Plan, fresh: int | None) -> AsyncIterator[tuple[str, Fields]]:
        services = self._services
        yield "plan", {"asked": f"{plan}.{asked.path.extension}"}
        resolved = await foreseen(services, plan, image, self._accept)
        if resolved is None:
            yield "plan", {"unknown": "the part to which it trims, which is measured on the first request"}
            return
        yield "plan", {"resolved": f"{resolved.plan}.{resolved.plan.format}", "steps": _steps(resolved.plan, image.facts)}
        yield "result", _result(resolved)
        where = await kept(services, image, resolved)
        yield "cache", _cache(where)
        if where.bytes is None:
            await check_makeable(services, image, resolved, trusted=asked.signed)
        yield "cost", _cost(await making(services, image, resolved), resolved)
        terms = variant_terms(asked, image, resolved, fresh=fresh)
        name = f"{file_stem(image, fresh)}.{'json' if asked.path.described else resolved.plan.format}"
        yield (
            "headers",
            _headers(
                json_headers(name, "", terms) if asked.path.described else picture_headers(name, resolved.plan.format, where.etag, terms)
            ),
        )


def _fresh(found: Remembered) -> int:
    return max(0, int((found.record.fresh_until - datetime.now(UTC)).total_seconds()))


def _source(source: SourceUrl, found: Remembered | None) -> Fields:
    if found is None:
        return {"url": str(source), "known": "not yet: its host would be asked, and all that follows is not known before"}
    record = found.record
    state = "fresh: its host is not asked" if _fresh(found) else "its host would be asked whether it is still the same"
    return {
        "url": str(source),
        "known": state,
        "fresh_until": record.fresh_until,
        "asked_at": record.checked_at,
        "etag": record.etag or None,
        "last_modified": record.last_modified or None,
    }


def _image(image: KnownImage) -> Fields:
    facts = image.facts
    return {
        "id": image.id,
        "format": facts.format,
        "size": facts.size,
        "frames": facts.frames if facts.animated else None,
        "transparent": facts.alpha or None,
        "orientation": facts.orientation if facts.orientation != 1 else None,
        "bytes": image.bytes,
        "focal": ", ".join(map(str, image.focal)) if image.focal else None,
        "original": image.place or "an upload that waits to be committed",
    }


def _steps(plan: Plan, facts: Facts) -> list[str]:
    """What is done to the picture, one after the other, with the size that comes out; then what the encoder is told."""
    seen = [stage_text((option,)) for option in plan.source]
    done = [
        f"{stage_text((operation,))} -> {shown(operation.output_size(size, stage))}" for operation, stage, size in pipeline(plan, facts)
    ]
    return [*seen, *done, *(stage_text((option,)) for option in plan.options)]


def _result(resolved: Resolved) -> Fields:
    return {
        "format": resolved.plan.format,
        "size": resolved.size,
        "frames": resolved.frames if resolved.frames > 1 else None,
        "largest_on_the_way": resolved.peak if resolved.peak.area > resolved.size.area else None,
        "warnings": list(resolved.warnings) or None,
    }


def _cache(where: Kept) -> Fields:
    stored = where.bytes is not None
    return {"key": where.key, "stored": stored, "bytes": where.bytes, "etag": where.etag, "note": MEMORY if where.key else UPLOAD}


def _cost(making: Making, resolved: Resolved) -> Fields:
    cost = making.cost
    return {
        "reads": list(making.reads),
        "bytes": sum(each.bytes for each in making.reads),
        "decodes": cost.decoded,
        "resized_to": cost.begun if cost.begun != cost.decoded else None,
        "frames": cost.frames if cost.frames > 1 else None,
        "bytes_held": cost.held,
        "encodes": resolved.size,
        "encoder": cost.encoder or None,
    }


def _headers(headers: Headers) -> Fields:
    return {name.decode(): value.decode("latin-1") for name, value in headers}
