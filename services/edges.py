"""The nginx servers in front: each is told of a deleted image, and shows nothing of it from then on."""

from collections.abc import Sequence


class Edges:
    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls

    async def forget(self, image_id: str) -> dict[str, bool]:
        """Tell all of them; which of them, by URL, have confirmed it."""
        raise NotImplementedError

    async def close(self) -> None:
        pass
