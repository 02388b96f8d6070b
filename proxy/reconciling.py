"""`progimage reconcile`: what it does, and the report that it prints."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from proxy import logs
from proxy.settings import Settings
from proxy.wiring import build
from services.findings import KINDS, Finding, Kind, Looked
from services.rebuild import rebuild
from services.reconcile import reconcile

PROGRESS_SECONDS = 0.2
# Of each kind so many are named; --json names all.
NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Words:
    """What was found, what is done about it (empty: nothing can be), and what is to be said of those with which it was not done."""

    what: str
    done: str = ""
    left: str


WORDS: Mapping[Kind, Words] = {
    "missing": Words(what="originals that are not in the store", left="lost: upload these pictures again"),
    "damaged": Words(what="originals that are not what they were", left="lost: upload these pictures again"),
    "unlisted": Words(
        what="pictures that the catalog does not know", done="taken up", left="kept: progimage reconcile --from-store takes them up"
    ),
    "facts": Words(what="facts objects that lacked or were old", done="written anew", left="left: the picture went meanwhile"),
    "orphan": Words(what="remains of pictures without a row", done="deleted", left="kept: much of the store is not in the catalog"),
    "unreferenced": Words(what="pictures that nothing keeps", done="deleted", left="kept"),
    "cut-off": Words(what="tasks that were cut off", done="taken up", left="will be tried again: the log says why"),
    "leftover": Words(what="objects of checks that were cut off", done="deleted", left="kept"),
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was found, after so much had been looked at; `dry_run` says that nothing was done about it."""

    looked: Looked
    found: Sequence[Finding]
    dry_run: bool

    @property
    def lost(self) -> bool:
        return any(finding.lost for finding in self.found)

    def as_json(self) -> str:
        values = {**asdict(self.looked), "dry_run": self.dry_run, "found": [asdict(finding) for finding in self.found]}
        return json.dumps(values, indent=2)

    def as_text(self) -> str:
        return "\n".join([f"looked at {_numbers(self.looked)}", *self._rows(), *([] if self.found else ["nothing is amiss"])])

    def _rows(self) -> list[str]:
        groups: dict[tuple[Kind, bool], list[Finding]] = defaultdict(list)
        for finding in self.found:
            groups[finding.kind, finding.mended].append(finding)
        return [line for key in sorted(groups, key=lambda key: (KINDS.index(key[0]), key[1])) for line in self._lines(key, groups[key])]

    def _lines(self, key: tuple[Kind, bool], group: list[Finding]) -> list[str]:
        kind, mended = key
        words = WORDS[kind]
        fate = words.done if mended else f"to be {words.done}" if self.dry_run and words.done and kind != "unlisted" else words.left
        size = sum(finding.bytes for finding in group)
        named = [f"          {finding.subject}" for finding in group[:NAMED]] + ["          …"] * (len(group) > NAMED)
        return [f"{len(group):>8,}  {words.what:38} {size:>15,} bytes  {fate}", *named]


async def run(settings: Settings, *, from_store: bool, dry_run: bool) -> Report:
    """`redis_url` must be set."""
    logs.configure(settings)
    looked = Looked()
    compare = rebuild if from_store else reconcile
    async with build(settings) as services, _progress(looked):
        found = [finding async for finding in compare(services, dry_run=dry_run, looked=looked)]
    return Report(looked=looked, found=found, dry_run=dry_run)


@asynccontextmanager
async def _progress(looked: Looked) -> AsyncIterator[None]:
    """How far it is, on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_tell(looked))
    try:
        yield
    finally:
        task.cancel()
        sys.stderr.write("\r\x1b[K")


async def _tell(looked: Looked) -> None:
    while True:
        sys.stderr.write(f"\r{_numbers(looked)}")
        sys.stderr.flush()
        await asyncio.sleep(PROGRESS_SECONDS)


def _numbers(looked: Looked) -> str:
    return f"{looked.images:,} pictures, {looked.objects:,} objects"
