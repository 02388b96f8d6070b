"""All that breaks what ProgImage stands on, the tests that take too long for the suite, and properties with more examples than there."""

import asyncio
import sys
from pathlib import Path

from bench.soak.figures import Figure, at_most

COMMAND = (sys.executable, "-m", "pytest", "-m", "soak or hypothesis or row", "-n", "2", "--dist", "loadgroup")


async def soak(folder: Path, scale: float) -> list[Figure]:
    process = await asyncio.create_subprocess_exec(*COMMAND, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    told = list[str]()
    async for line in process.stdout:
        print(text := line.decode().rstrip(), flush=True)
        told.append(text)
    broken = sum(text.startswith(("FAILED ", "ERROR ")) for text in told)
    return [at_most("slow tests that failed", max(broken, int(await process.wait() != 0)), 0)]
