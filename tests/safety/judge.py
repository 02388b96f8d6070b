"""What a child says of a file and what that cost it; in a module that a child imports at once."""

import resource
import time
from pathlib import Path
from typing import NamedTuple

from transforms.engine import execute, verify
from transforms.errors import ProgImageError
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.values import Facts

MIB = 1 << 20


class Verdict(NamedTuple):
    """`error` is the slug of what was raised, empty when the file was taken; seconds of CPU; bytes by which the peak of memory rose."""

    error: str
    facts: Facts | None
    cpu: float
    memory: int
    said: str = ""


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def judged(path: Path, limits: Limits) -> Verdict:
    began, peak = time.process_time(), _peak()
    try:
        facts, error, said = verify(path, limits), "", ""
    except ProgImageError as caught:
        facts, error, said = None, caught.slug, str(caught)
    return Verdict(error, facts, time.process_time() - began, _peak() - peak, said)


def made(path: Path, limits: Limits, plan: str, extension: str) -> bytes:
    """Verified, resolved and rendered, as an upload and a request of its variant do."""
    facts = verify(path, limits)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, limits).data
