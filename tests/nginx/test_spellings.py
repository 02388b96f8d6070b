"""Canonical or nothing: however a variant is asked for, it is rendered once for each format and kept once for each class of Accept."""

import asyncio
from collections import Counter

import pytest

from tests.nginx.conftest import Site
from tests.nginx.spellings import PLAN, spellings
from tests.nginx.wire import ask

pytestmark = pytest.mark.xdist_group("nginx")

CLASSES = ("none", "webp", "avif", "avif+webp")
RENDERS = "progimage_render_seconds_count"


def test_all_spellings_of_a_variant_are_one_render_a_format_and_six_entries(site: Site) -> None:
    image_id, before = site.upload(), site.counted(RENDERS)
    path = f"/img/{image_id}/{PLAN}"
    asked = list(spellings(image_id, 10_000))
    assert len({(spelling.target, spelling.accept) for spelling in asked}) > 9_000
    answers = asyncio.run(ask(site.nginx, [spelling.request() for spelling in asked], connections=32))

    statuses = Counter(answer.status for answer in answers)
    assert statuses.keys() <= {200, 308, 400, 403, 404}, statuses
    assert statuses[200] > 2_000, statuses
    assert statuses[308] > 2_000, statuses
    assert {answer.header("location") for answer in answers if answer.status == 308} <= {f"{path}.{ext}" for ext in ("auto", "jpg", "jpeg")}
    assert len({answer.body for answer in answers if answer.status == 200}) == 3
    assert site.counted(RENDERS) - before == 3
    assert len(site.objects(image_id)) == 3
    entries = [*(f"{path}.auto?url= {name}" for name in CLASSES), f"{path}.jpg?url= ", f"{path}.jpeg?url= "]
    assert site.keys(image_id) == sorted(entries)
