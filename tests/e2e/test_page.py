"""The page in two steps, in a real browser without JavaScript."""

from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.async_api import expect

from tests.deployments import Deployment
from tests.photos import photo
from tests.servers import chromium

pytestmark = pytest.mark.anyio


async def test_a_product_is_added_in_two_steps_by_keyboard_and_shows_its_pictures(deployment: Deployment, tmp_path: Path) -> None:
    pictures = [tmp_path / f"{n}.jpg" for n in range(2)]
    for picture in pictures:
        picture.write_bytes(photo(800, 600))
    async with chromium() as browser:
        context = await browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
        page = await context.new_page()
        await page.goto(deployment.url)
        await page.get_by_label("Pictures").set_input_files(pictures)
        await page.get_by_role("button", name="Upload and go on").press("Enter")
        await expect(page.get_by_role("heading", name="Name and price")).to_be_visible()
        await expect(page.locator("main img")).to_have_count(2)
        await page.get_by_label("Name", exact=True).fill("Blue vase")
        await page.get_by_label("Price").fill("12.5")
        await page.get_by_label("Price").press("Enter")
        await expect(page.get_by_role("heading", name="Blue vase")).to_be_visible()
        await expect(page.get_by_text("12.50 EUR")).to_be_visible()
        await expect(page.get_by_role("row", name="512")).to_contain_text("512 × 384")
        shown = page.get_by_role("img", name="Blue vase", exact=True)
        await expect(shown).to_be_visible()
        box = await shown.bounding_box()
        assert box
        assert box["x"] + box["width"] <= 390, "the page is wider than a phone"
        for image in await page.get_by_role("img").all():
            answer = await context.request.get(urljoin(deployment.url, await image.get_attribute("src")))
            assert answer.status == 200
            assert answer.headers["content-type"] == "image/webp"
        await page.goto(deployment.url)
        await expect(page.get_by_text("Blue vase").first).to_be_visible()
