"""A signed picture of another host, on a page of a third one, in a real browser."""

import re
import subprocess
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Page

from tests.deployments import PROGIMAGE, environment, progimage_server
from tests.photos import photo
from tests.servers import chromium, other_host

pytestmark = pytest.mark.anyio
KEYS = {"PROGIMAGE_SIGNING_KEYS": "k1=" + "0123456789abcdef" * 2, "PROGIMAGE_SIGNATURES": "remote"}


def signed(url: str) -> str:
    return subprocess.run([PROGIMAGE, "sign", url], env=environment(KEYS), capture_output=True, text=True, check=True).stdout.strip()


async def width(page: Page, name: str) -> int:
    """Of the picture as the browser has decoded it; 0 when it has none."""
    return int(await page.evaluate("name => document.getElementById(name).naturalWidth", name))


async def test_a_signed_remote_picture_shows_on_another_origins_page_and_an_altered_one_does_not(tmp_path: Path) -> None:
    with other_host("127.0.0.2", {"/vase.jpg?size=full&v=2": ("image/jpeg", photo(400, 300))}) as shop:
        settings = {**KEYS, "PROGIMAGE_REMOTE_PORTS": str(shop), "PROGIMAGE_REMOTE_NETWORKS": "127.0.0.2/32"}
        with progimage_server(tmp_path, settings) as app:
            source = f"http%3A%2F%2F127.0.0.2%3A{shop}%2Fvase.jpg%3Fsize%3Dfull%26v%3D2"
            good = app.url + signed(f"/img/w128.webp?url={source}")
            altered = good.replace("w128", "w129")
            images = "".join(
                f'<img id="{name}" src="{url.replace("&", "&amp;")}"{more}>'
                for name, url, more in (
                    ("good", good, ""),
                    ("cors", good, " crossorigin"),
                    ("altered", altered, ""),
                    ("bare", good[:-46], ""),
                )
            )
            with other_host("127.0.0.1", {"/": ("text/html", f"<!doctype html>{images}".encode())}) as shown:
                async with chromium() as browser:
                    page = await browser.new_page()
                    await page.goto(f"http://localhost:{shown}/", wait_until="networkidle")
                    widths = {name: await width(page, name) for name in ("good", "cors", "altered", "bare")}
            answers = [httpx2.get(url) for url in (good, altered, good[:-46])]
            statuses = [answer.status_code for answer in answers]
    # The id that the picture was given would be the key to its unsigned original.
    assert answers[0].headers["content-disposition"] == 'inline; filename="picture.webp"'
    assert not re.search(r"[a-z2-7]{26}", str(answers[0].headers))
    assert widths == {"good": 128, "cors": 128, "altered": 0, "bare": 0}
    assert statuses == [200, 403, 403]
