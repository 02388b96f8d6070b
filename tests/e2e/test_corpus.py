"""Every file of the corpus, uploaded as it is: taken and rendered in the promised size, or refused by name."""

import httpx2
import pytest

from tests.deployments import progimage_server
from tests.e2e.conftest import upload
from tests.photos import photo, size_of
from tests.pictures import Sample, corpus

REFUSED = {400, 413, 415, 422}
OFF = {"tiff", "svg"}
UNREADABLE = {".heic", ".jxl", ".jp2", ".bmp", ".ico", ".pdf"}

pytestmark = pytest.mark.skipif(not corpus(), reason="the corpus is not beside this checkout; generated pictures cover the same paths")


def judge(api: httpx2.Client, sample: Sample, *, off: set[str]) -> str | None:
    """What is wrong with how this file was treated, or None."""
    answer = api.post("/uploads", content=sample.path.read_bytes())
    if answer.status_code != 202:
        fine = answer.status_code in REFUSED and answer.headers["content-type"] == "application/problem+json"
        must = sample.expected == "accept" and sample.format not in off
        return None if fine and not must else f"{answer.status_code} {answer.text[:200]}"
    if sample.expected == "reject" or sample.format in off:
        return "it was accepted"
    image = answer.json()["images"][0]
    size = (image["width"], image["height"])
    if sample.expected == "accept" and sample.size and size != sample.size:
        return f"its size is said to be {size}, not {sample.size}"
    variant = api.get(f"/img/{image['id']}/w256.webp")
    if variant.status_code != 200:
        return f"its variant: {variant.status_code} {variant.text[:200]}"
    width, height = size
    wanted = (256, max(1, int(height * 256 / width + 0.5))) if width > 256 else size
    return None if size_of(variant.content) == wanted else f"its variant has {size_of(variant.content)}, not {wanted}"


ONE_OF_EACH = list({(sample.path.parent, sample.format, sample.expected): sample for sample in corpus()}.values())
# The others go through the same engine in tests/transforms: all of them over HTTP are for the soak.
BATCHES = [pytest.param(ONE_OF_EACH, id="one of each"), pytest.param(corpus(), id="all", marks=pytest.mark.soak)]


@pytest.mark.parametrize("chosen", BATCHES)
def test_every_file_is_taken_or_refused_as_the_manifest_says(api: httpx2.Client, chosen: list[Sample]) -> None:
    wrong = {str(sample.path.name): fault for sample in chosen if (fault := judge(api, sample, off=OFF))}
    assert wrong == {}
    assert upload(api, photo(64, 48)), "the server is alive after all of them"


def test_types_that_are_off_are_taken_where_they_are_turned_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"PROGIMAGE_ACCEPT": "jpg,png,webp,gif,avif,tiff,svg"}
    with progimage_server(tmp_path_factory.mktemp("accepting"), settings) as server, httpx2.Client(base_url=server.url, timeout=30) as api:
        vectors = [sample for sample in ONE_OF_EACH if sample.format in OFF or sample.path.suffix in {".svg", ".tif", ".svgz"}]
        wrong = {sample.path.name: fault for sample in vectors if (fault := judge(api, sample, off=set()))}
        assert wrong == {}


def test_a_type_that_is_off_names_its_setting_and_one_that_cannot_be_read_says_so(api: httpx2.Client) -> None:
    for sample in ONE_OF_EACH:
        if sample.expected == "accept" and sample.format in OFF:
            answer = api.post("/uploads", content=sample.path.read_bytes())
            assert (answer.status_code, "PROGIMAGE_ACCEPT=" in answer.json()["detail"]) == (415, True), sample.path
        if sample.path.suffix in UNREADABLE:
            assert api.post("/uploads", content=sample.path.read_bytes()).status_code == 415, sample.path


def test_nothing_private_or_hidden_leaves_in_a_variant(api: httpx2.Client) -> None:
    marks = {
        "gen-comment-php.jpg": b"<?php",
        "gen-polyglot-jpeg-zip.jpg": b"PK\x05\x06",
        "gen-polyglot-png-html.png": b"<html",
        "arezzo-gps-640x480.jpg": b"GPS",
    }
    for sample in corpus():
        if (mark := marks.get(sample.path.name)) is not None:
            (image_id,) = upload(api, sample.path.read_bytes())
            for extension in ("jpg", "png", "webp"):
                data = api.get(f"/img/{image_id}/w200.{extension}").content
                assert mark not in data, sample.path
                assert b"Exif" not in data, sample.path
