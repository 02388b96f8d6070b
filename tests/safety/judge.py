"""What a child says of a file and what that cost it; in a module that a child imports at once."""

import time
from pathlib import Path
from typing import NamedTuple

from transforms.engine import execute, verify
from transforms.errors import ProgImageError
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.values import Facts


class Verdict(NamedTuple):
    """`error` is the slug of what was raised, if anything; seconds of CPU; bytes of memory at the peak above those at the start."""

    error: str
    facts: Facts | None
    cpu: float
    memory: int


def _memory(name: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) * 1024


def judged(path: Path, limits: Limits) -> Verdict:
    """As an upload is."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    began, before = time.process_time(), _memory("VmRSS")
    facts, error = None, ""
    try:
        facts = verify(path, limits)
    except ProgImageError as caught:
        error = caught.slug
    return Verdict(error, facts, time.process_time() - began, _memory("VmHWM") - before)


def made(path: Path, limits: Limits, plan: str, extension: str) -> bytes:
    """Verified, resolved and rendered, as an upload and a request of its variant do."""
    facts = verify(path, limits)
    return execute(parse(plan, extension).resolve(facts).plan, path, facts, limits).data
