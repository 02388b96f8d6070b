"""How answers leave: whole."""

import asyncio
from typing import Any

import pytest

from proxy.protocol import WholeAnswers


class Wire(asyncio.Transport):
    """Notes what it is given at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.mark.anyio
async def test_head_and_body_leave_together_and_nothing_after_the_end() -> None:
    wire = Wire()
    answers = WholeAnswers(wire)
    answers.write(b"head ")
    answers.write(b"body")
    await asyncio.sleep(0)
    assert wire.sent == [b"head body"]
    answers.write(b"last")
    answers.close()
    answers.write(b"too late")
    await asyncio.sleep(0)
    assert (wire.sent, answers.is_closing()) == ([b"head body", b"last"], True)
