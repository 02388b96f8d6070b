"""A body on its way in: how large it may be, and how long anybody waits for it."""

from time import monotonic

import anyio
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from proxy.errors import SlowBody
from services.errors import BodyTooLarge

# A body that is waited for longer than this, and a second for each of so many bytes of it, is waited for no more: a telephone on the
# worst of lines is faster. What we do with the bytes meanwhile is not the sender's time.
PATIENCE = 15.0
BYTES_PER_SECOND = 1024


class Arriving:
    """`receive` for a request with a body. BodyTooLarge also at once, when it says so itself."""

    def __init__(self, scope: Scope, receive: Receive, *, maximum: int) -> None:
        self._receive, self._maximum = receive, maximum
        self._seen, self._waited, self._whole = 0, 0.0, False
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and announced.isascii() and int(announced[:20]) > maximum:
            raise self._too_large()

    async def __call__(self) -> Message:
        """The next message. SlowBody, BodyTooLarge; after the whole body it waits for the client to leave, however long that takes."""
        if self._whole:
            return await self._receive()
        message = await self._next()
        self._whole = not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        if self._seen > self._maximum:
            raise self._too_large()
        return message

    async def _next(self) -> Message:
        began = monotonic()
        try:
            with anyio.fail_after(min(PATIENCE, PATIENCE + self._seen / BYTES_PER_SECOND - self._waited)):
                return await self._receive()
        except TimeoutError:
            raise SlowBody(f"The body comes too slowly: {self._seen} bytes have arrived.", received=self._seen) from None
        finally:
            self._waited += monotonic() - began

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The request is larger than {self._maximum} bytes.", limit="bytes", maximum=self._maximum)
