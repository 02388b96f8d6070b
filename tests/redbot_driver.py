"""What redbot and httplint say about answers: `[{"url": …, "method": …, "headers": {…}}, …]` on stdin, their notes as JSON on stdout.

A program of its own: redbot lives in an event loop that runs once.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from configparser import ConfigParser, SectionProxy
from typing import Any

import thor
from httplint.note import Note
from redbot.resource import HttpResource

# Without this redbot refuses to talk to 127.0.0.1.
CONFIG = {"redbot": {"enable_local_access": "True"}}


def config() -> SectionProxy:
    parser = ConfigParser()
    parser.read_dict(CONFIG)
    return parser["redbot"]


def flat(notes: Iterable[Note]) -> Iterator[Note]:
    for note in notes:
        yield note
        yield from flat(note.subnotes)


def told(found: HttpResource) -> dict[str, object]:
    """The status, and of every note (also those about redbot's own further requests) its level, name, what it is about and its sentence."""
    answers = {"asked": found, **found.subreqs}
    notes = [
        {"level": note.level.value, "name": type(note).__name__, "about": note.subject, "says": str(note), "check": check}
        for check, answer in answers.items()
        for note in flat(answer.response.notes)
    ]
    error = str(found.fetch_error) if found.fetch_error else None
    return {"status": found.response.status_code, "error": error, "notes": notes}


def look(asked: list[dict[str, Any]]) -> list[dict[str, object]]:
    """One after the other, so that none waits behind another one's render."""
    found: list[HttpResource] = []

    def begin() -> None:
        if len(found) == len(asked):
            thor.stop()
            return
        request = asked[len(found)]
        resource = HttpResource(config())
        found.append(resource)
        resource.set_request(request["url"], request.get("method", "GET"), list(request.get("headers", {}).items()))
        resource.on("check_done", begin)
        resource.check()

    thor.schedule(0, begin)
    thor.run()
    return [told(resource) for resource in found]


if __name__ == "__main__":
    json.dump(look(json.load(sys.stdin)), sys.stdout)
