"""What ProgImage is measured against: libvips alone, and Starlette alone."""

import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

SAVE: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "jpg": ("jpegsave_buffer", {"Q": 80, "optimize_coding": True, "quant_table": 2}),
    "webp": ("webpsave_buffer", {"Q": 80, "effort": 4}),
    "avif": ("heifsave_buffer", {"Q": 58, "effort": 2, "compression": "av1", "bitdepth": 8}),
}


def libvips_seconds(photos: list[Path], width: int, format: str, threads: int) -> float:
    """Seconds for all photos in a loop over files: shrink on load, encode, drop the bytes."""
    import pyvips

    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    saver, options = SAVE[format]

    def render(photo: Path) -> int:
        image = pyvips.Image.thumbnail(str(photo), width, height=10_000_000, size="down", fail_on="error")
        return len(getattr(image, saver)(keep="none", **options))

    render(photos[0])
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(render, photos))
    return time.perf_counter() - began


def starlette(payload: Path) -> Starlette:
    """One route that returns the same bytes with as many headers as a picture has."""
    data = payload.read_bytes()
    headers = {f"x-header-{n}": "a value of ordinary length" for n in range(9)}

    async def picture(request: Request) -> Response:
        return Response(data, media_type="image/webp", headers=headers)

    return Starlette(routes=[Route("/img/{path:path}", picture)])


def main() -> None:
    match sys.argv[1:]:
        case ["serve", port, payload]:
            uvicorn.run(starlette(Path(payload)), port=int(port), access_log=False, server_header=False)
        case ["libvips", width, format, threads, *names]:
            print(libvips_seconds([Path(name) for name in names], int(width), format, int(threads)))
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
