"""HTTP through the proxy: one request and its answer after the other."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from tests.faults import messages
from tests.faults.messages import Head
from tests.faults.rules import Answer, Cut, DropAnswer, Flip, Garble, Lie, Replace, Way
from tests.faults.way import Lost, Wire, flipped


@dataclass(frozen=True, kw_only=True)
class Exchanges:
    """Those of one connection. `asked` is the proxy's count."""

    wire: Wire
    asked: Counter[str]

    async def run(self) -> None:
        """Until one side ends."""
        goes_on = True
        while goes_on and (head := await messages.read_head(self.wire.reader("client"))):
            self.asked[head.method] += 1
            self.wire.method, self.wire.target = head.method, head.target
            self.wire.passed.clear()
            goes_on = await self._answered(head)

    async def _answered(self, head: Head) -> bool:
        if answer := self.wire.rules.fire(Answer, head.method, head.target):
            return await self._answer_here(head, answer)
        # At once, since a server may ask for the body first, or answer without having read it.
        upload = asyncio.create_task(self._upload(head))
        try:
            goes_on = await self._download(head)
            await upload
        finally:
            upload.cancel()
            await asyncio.gather(upload, return_exceptions=True)
        return goes_on

    async def _answer_here(self, head: Head, answer: Answer) -> bool:
        waits = bool(head.get("expect"))
        if not waits:
            async for _ in messages.body(self.wire.reader("client"), head):
                """Nobody wants it."""
        added = (("Content-Length", str(len(answer.body))), ("Connection", "close" if waits else "keep-alive"))
        told = Head(start=f"HTTP/1.1 {answer.status} Told", headers=answer.headers + added)
        await self.wire.send(told.encode() + (b"" if head.method == "HEAD" else answer.body), "client")
        return not waits

    async def _upload(self, head: Head) -> None:
        await self.wire.send(head.encode(), "server")
        flip = self.wire.rules.fire(Flip, head.method, head.target, "server")
        if flip:
            data = flipped(await self._whole("client", head), flip.at)
            await self._send_body(data, head, "server")
        else:
            await self._pass_body(head, "client", "server")
        await self.wire.send(messages.end(head), "server")

    async def _download(self, asked: Head) -> bool:
        told = await self._told()
        fire = self.wire.rules.fire
        if drop := fire(DropAnswer, asked.method, asked.target):
            await self.wire.drop(drop)
        if garble := fire(Garble, asked.method, asked.target):
            await self.wire.send(garble.data, "client")
            return False
        if lie := fire(Lie, asked.method, asked.target):
            return await self._lie(asked, told, lie)
        replace = fire(Replace, asked.method, asked.target)
        flip = fire(Flip, asked.method, asked.target, "client")
        if replace or flip:
            await self._send_other(asked, told, replace or Replace(), flip)
            return True
        return await self._send_same(asked, told)

    async def _told(self) -> Head:
        """The head of the final answer; those before it have passed."""
        while told := await messages.read_head(self.wire.reader("server")):
            if told.status >= 200:
                return told
            await self.wire.send(told.encode(), "client")
        raise Lost

    async def _send_same(self, asked: Head, told: Head) -> bool:
        await self.wire.send(told.encode(), "client")
        if not messages.answer_has_body(told, asked.method):
            return True
        await self._pass_body(told, "server", "client")
        await self.wire.send(messages.end(told), "client")
        return not messages.ends_with_connection(told)

    async def _send_other(self, asked: Head, told: Head, replace: Replace, flip: Flip | None) -> None:
        data = await self._answer_body(asked, told) if replace.body is None else replace.body
        if replace.body is not None:
            await self._answer_body(asked, told)
        if flip:
            data = flipped(data, flip.at)
        start = f"HTTP/1.1 {replace.status} Told" if replace.status else told.start
        headers = replace.headers
        if asked.method != "HEAD" or replace.body is not None:
            headers += (("Content-Length", str(len(data))),)
        other = Head(start=start, headers=told.without("transfer-encoding").headers).with_(*headers)
        await self.wire.send(other.encode() + (b"" if asked.method == "HEAD" else data), "client")

    async def _lie(self, asked: Head, told: Head, lie: Lie) -> bool:
        data = await self._answer_body(asked, told)
        length = len(data) if messages.answer_has_body(told, asked.method) else int(told.get("content-length") or 0)
        other = told.without("transfer-encoding").with_(("Content-Length", str(max(0, length + lie.by))))
        await self.wire.send(other.encode() + data, "client")
        return False

    async def _answer_body(self, asked: Head, told: Head) -> bytes:
        if not messages.answer_has_body(told, asked.method):
            return b""
        return await self._whole("server", told)

    async def _whole(self, source: Way, head: Head) -> bytes:
        pieces = messages.body(self.wire.reader(source), head, answer=source == "server")
        return b"".join([piece async for piece in pieces])

    async def _pass_body(self, head: Head, source: Way, to: Way) -> None:
        cut = self.wire.rules.fire(Cut, self.wire.method, self.wire.target, to)
        async for piece in messages.body(self.wire.reader(source), head, answer=source == "server"):
            data = messages.framed(piece, head)
            await (self.wire.cut(cut, data) if cut else self.wire.send(data, to))

    async def _send_body(self, data: bytes, head: Head, to: Way) -> None:
        await self.wire.send(messages.framed(data, head), to)
