"""A host with pictures that does whatever the path says: `/302/http://127.0.0.1/` redirects there, `/drip` sends a byte a second."""

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tests.pictures import jpeg

PICTURE = jpeg(64, 48)
ETAG = '"one"'
# As /proc of the host might have it: nobody who asks may see it.
SECRET = b'{"AccessKeyId": "ASIAWORLDWORLD", "SecretAccessKey": "do-not-tell"}'
HTML = b'<html><meta http-equiv="refresh" content="0;url=http://127.0.0.1/"><img src="http://127.0.0.1/"></html>'


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request and the way back. `target` is what follows the first segment of the path, `nth` counts the requests for this URL from 1."""

    target: str
    headers: Mapping[str, str]
    nth: int
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; `content_length` may lie, and `content_type` need not be that of a picture."""
        every = {"content_type": "image/jpeg", "content_length": str(len(body))} | headers
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name.replace('_', '-')}: {value}" for name, value in every.items()), "", ""]
        await self.send("\r\n".join(lines).encode("latin-1") + body)


Behaviour = Callable[[Asked], Awaitable[None]]


async def picture(asked: Asked) -> None:
    await asked.answer(200, PICTURE)


async def kept(asked: Asked) -> None:
    if asked.headers.get("if-none-match") == ETAG:
        await asked.answer(304, etag=ETAG, cache_control="max-age=60")
    else:
        await asked.answer(200, PICTURE, etag=ETAG, cache_control="max-age=60")


async def changing(asked: Asked) -> None:
    """Another picture each time, with a validator that says so."""
    await asked.answer(200, jpeg(64 + 16 * asked.nth, 48), etag=f'"{asked.nth}"', cache_control="max-age=60")


def redirect(status: int) -> Behaviour:
    async def behave(asked: Asked) -> None:
        await asked.answer(status, location=asked.target)

    return behave


async def loop(asked: Asked) -> None:
    await asked.answer(302, location="/loop")


async def refresh(asked: Asked) -> None:
    await asked.answer(200, HTML, content_type="text/html", refresh="0; url=http://127.0.0.1/")


async def credentials(asked: Asked) -> None:
    await asked.answer(200, SECRET, content_type="application/json")


async def status(asked: Asked) -> None:
    await asked.answer(int(asked.target), www_authenticate='Basic realm="give me your password"', set_cookie="a=b", retry_after="1")


async def partial(asked: Asked) -> None:
    await asked.answer(206, PICTURE, content_range=f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}")


async def empty(asked: Asked) -> None:
    await asked.answer(200)


async def cookie(asked: Asked) -> None:
    await asked.answer(302, set_cookie="session=secret; Domain=example; Path=/", location=asked.target)


async def long_location(asked: Asked) -> None:
    await asked.answer(302, location="http://public.example/" + "a" * 64 * 1024)


async def many_headers(asked: Asked) -> None:
    await asked.answer(200, PICTURE, **{f"x_number_{n}": "and a value of some length" for n in range(2000)})


async def long_header(asked: Asked) -> None:
    await asked.answer(200, PICTURE, x_long="a" * 1024**2)


async def endless_headers(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await asked.send(b"X-More: and more\r\n" * 64)


async def interim(asked: Asked) -> None:
    while True:
        await asked.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * 16)


async def garbage(asked: Asked) -> None:
    await asked.send(b"220 mail.example ESMTP ready\r\n" * 4)


async def hold(asked: Asked) -> None:
    await asyncio.sleep(60)


async def drip(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(PICTURE))
    for byte in PICTURE:
        await asked.send(bytes([byte]))
        await asyncio.sleep(1)


async def drip_headers(asked: Asked) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 10\r\n\r\n":
        await asked.send(bytes([byte]))
        await asyncio.sleep(1)


async def endless(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = PICTURE[:1024].ljust(16 * 1024, b"a")
    while True:
        await asked.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))


async def huge(asked: Asked) -> None:
    await asked.answer(200, PICTURE, content_length=str(10 * 1024**3))
    while True:
        await asked.send(b"a" * 16 * 1024)


async def bomb(asked: Asked) -> None:
    await asked.answer(200, gzip.compress(b"\xff\xd8\xff" + bytes(64 * 1024**2)), content_encoding="gzip")


async def gzipped(asked: Asked) -> None:
    await asked.answer(200, gzip.compress(PICTURE), content_encoding="gzip")


async def brotli(asked: Asked) -> None:
    await asked.answer(200, PICTURE, content_encoding="br")


async def short(asked: Asked) -> None:
    await asked.answer(200, PICTURE, content_length=str(len(PICTURE) + 1))


async def long(asked: Asked) -> None:
    await asked.answer(200, PICTURE, content_length=str(len(PICTURE) // 2))


async def reset(asked: Asked) -> None:
    await asked.answer(200, PICTURE[:500], content_length=str(len(PICTURE)))
    asked.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.writer.transport.abort()


PLAIN = (kept, changing, loop, refresh, credentials, status, partial, empty, cookie, long_location, many_headers, long_header)
HOSTILE = (endless_headers, interim, garbage, hold, drip, drip_headers, endless, huge, bomb, gzipped, brotli, short, long, reset)
# First segment of the path -> what is done.
BEHAVIOURS: Mapping[str, Behaviour] = {
    **{str(number): redirect(number) for number in (301, 302, 303, 307, 308)},
    **{behave.__name__.replace("_", "-"): behave for behave in (*PLAIN, *HOSTILE)},
}


def behaviour(target: str) -> tuple[Behaviour, str]:
    """What the target of a request asks for, and the rest of it. A path that means nothing has a picture."""
    name, _, rest = target.removeprefix("/").partition("/")
    return BEHAVIOURS.get(name, picture), rest
