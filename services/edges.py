"""The nginx servers in front: each is told of a deleted image, and shows nothing of it from then on.

Telling is a PUT of an empty file, the image's tombstone (docs/decisions/0012-how-nginx-forgets.md). It may be repeated.
"""

import asyncio
from collections.abc import Sequence

import httpx2
import structlog

log = structlog.get_logger(__name__)

# They are near, and a deletion waits for them.
SECONDS = 0.5


class Edges:
    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        # Deletions are rare: a connection kept open would be closed at the other end by then.
        self._client = httpx2.AsyncClient(trust_env=False, timeout=None, limits=httpx2.Limits(max_keepalive_connections=0))

    async def forget(self, image_id: str) -> dict[str, bool]:
        """Tell all of them at once; which of them, by URL, have confirmed it. Never longer than half a second."""
        confirmed = await asyncio.gather(*(self._tell(f"{url}/{image_id}") for url in self._urls))
        return dict(zip(self._urls, confirmed, strict=True))

    async def _tell(self, url: str) -> bool:
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._client.put(url)
        except (httpx2.HTTPError, TimeoutError) as error:
            log.warning("edge_not_told", url=url, reason=repr(error))
            return False
        if not answer.is_success:
            log.warning("edge_not_told", url=url, status=answer.status_code)
        return answer.is_success

    async def close(self) -> None:
        await self._client.aclose()
