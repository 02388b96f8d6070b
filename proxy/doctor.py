"""`progimage doctor`: tries each thing that ProgImage depends on, and says how to mend what does not work."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from catalog.session import connect, revision_state
from proxy.server import CannotStart, with_redis
from proxy.settings import PREFIX, Settings, WrongSetting, load
from proxy.wiring import object_store, render_pool, uploads
from transforms.engine import self_test, supported_formats
from transforms.errors import ProgImageError

SECONDS = 15
MIN_FREE = 1024**3


class Sick(Exception):
    """A sentence that says what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`detail` says what was seen; `mend` what to do about it, and is empty when all is well."""

    name: str
    detail: str
    mend: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.mend)


@dataclass(frozen=True, kw_only=True)
class Check:
    """`look` returns what it saw, or raises what is wrong."""

    name: str
    look: Callable[[Settings], Awaitable[str]]
    mend: str


async def examine() -> list[Finding]:
    """All checks, at the same time. They leave nothing behind but an empty data folder."""
    try:
        settings = load()
    except WrongSetting as error:
        return [Finding(name="settings", detail=str(error), mend="correct the variable, or the line in .env; docs/settings.md lists all")]
    return [Finding(name="settings", detail=_given()), *await asyncio.gather(*(_examine(check, settings) for check in CHECKS))]


def _given() -> str:
    names = sorted(name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX))
    return f"good; the environment sets {', '.join(names)}" if names else "good; all have their defaults"


async def _examine(check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name=check.name, detail=await asyncio.wait_for(check.look(settings), SECONDS))
    except TimeoutError:
        return Finding(name=check.name, detail=f"no answer within {SECONDS} s", mend=check.mend)
    except (ProgImageError, CannotStart, Sick, OSError, ValueError) as error:
        return Finding(name=check.name, detail=str(error), mend=check.mend)


async def _data(settings: Settings) -> str:
    settings.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.data):
        free = shutil.disk_usage(settings.data).free
    if free < MIN_FREE:
        raise Sick(f"only {free / 1024**2:.0f} MiB are free in {settings.data}")
    return f"{settings.data} can be written, {free / 1024**3:.0f} GiB free"


async def _database(settings: Settings) -> str:
    engine = connect(settings.database_url)
    try:
        state = await revision_state(engine)
    finally:
        await engine.dispose()
    if not state.usable:
        raise Sick(f"its schema is {state.current or 'empty'}, this version wants {state.head}")
    newer = f", which a newer ProgImage made; this version knows {state.head} and works with it" if state.newer else ""
    return f"{engine.url.get_backend_name()}, schema {state.current}{newer}"


async def _store(settings: Settings) -> str:
    store = object_store(settings)
    try:
        await store.check()
    finally:
        await store.close()
    return f"{settings.storage_url}: put, get and delete work"


async def _redis(settings: Settings) -> str:
    with ExitStack() as stack:
        complete = await asyncio.to_thread(stack.enter_context, with_redis(settings))
        staging = uploads(complete)
        try:
            await staging.check()
        finally:
            await staging.close()
        await asyncio.to_thread(stack.close)
    return "answers and evicts nothing" + ("" if settings.redis_url else " (our own server)")


async def _formats(settings: Settings) -> str:
    """In a child, where pictures are decoded: the parent never loads libvips' decoders."""
    pool = render_pool(settings.model_copy(update={"renderers": 1}))
    try:
        formats = await pool.run(supported_formats)
        await pool.run(self_test)
    finally:
        await pool.close()
    missing = [name for name in settings.accept if not formats[name].reads]
    if missing:
        raise Sick(f"this libvips cannot read {', '.join(missing)}")
    reads, writes = ([name for name in formats if getattr(formats[name], what)] for what in ("reads", "writes"))
    return f"reads {' '.join(reads)}; writes {' '.join(writes)}"


async def _keys(_: Settings) -> str:
    return "there are none yet: anybody who reaches the port can upload"


CHECKS = (
    Check(name="data", look=_data, mend=f"make room, or set {PREFIX}DATA to a folder that this user may write to"),
    Check(
        name="database",
        look=_database,
        mend=f"start `progimage serve` once, which brings the schema up to date; else correct {PREFIX}DATABASE_URL",
    ),
    Check(
        name="store",
        look=_store,
        mend=f"correct {PREFIX}STORAGE_URL, {PREFIX}S3_ENDPOINT_URL or the AWS_* variables; the bucket must exist",
    ),
    Check(name="redis", look=_redis, mend=f"correct {PREFIX}REDIS_URL; the server needs `maxmemory-policy noeviction`"),
    Check(name="formats", look=_formats, mend=f"take the format out of {PREFIX}ACCEPT, or install a libvips that has it"),
    Check(name="keys", look=_keys, mend=""),
)


def table(findings: Sequence[Finding], *, colour: bool) -> str:
    """A line for each check, and below each failure how to mend it."""
    width = max(len(finding.name) for finding in findings)
    return "\n".join(line for finding in findings for line in _lines(finding, width, colour=colour))


def _lines(finding: Finding, width: int, *, colour: bool) -> list[str]:
    word, code = ("FAIL", 31) if finding.failed else ("ok  ", 32)
    mark = f"\x1b[{code}m{word}\x1b[0m" if colour else word
    line = f"{finding.name:{width}}  {mark}  {finding.detail}"
    return [line, f"{'':{width}}        mend: {finding.mend}"] if finding.failed else [line]
