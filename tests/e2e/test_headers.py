"""What redbot and httplint find in the headers: nothing, but for the notes that have a reason beside them here."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import httpx2
import pytest
from httplint import HttpResponseLinter

from proxy.http import Terms, freshness, picture_headers
from tests import redbot_driver
from tests.deployments import Deployment
from tests.e2e.conftest import product, store, upload
from tests.photos import photo
from tests.requests_table import filled

FAULTS = ("warning", "bad")
EVERYWHERE = {
    "STORE_PUBLIC_UNNECESSARY": "`public` lets shared caches keep also what was asked for with credentials.",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, the status that proves that it was the one meant, and notes that are none of a fault, each with its reason."""

    path: str
    status: int
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: Mapping[str, str] = field(default_factory=dict)
    of_nginx: Mapping[str, str] = field(default_factory=dict)


REFUSED = {"STATUS_BAD_REQUEST": "It is refused on purpose."}
ANSWERS = {
    "a variant": Asked(path="/img/{id}/w256.webp", status=200),
    "the head of a variant": Asked(path="/img/{id}/w256.webp", method="HEAD", status=200),
    "an unchanged variant": Asked(path="/img/{id}/w256.webp", headers={"If-None-Match": "*"}, status=304),
    "a range of a variant": Asked(path="/img/{id}/w256.webp", headers={"Range": "bytes=0-99"}, status=206),
    "a range that is not there": Asked(
        path="/img/{id}/w256.webp",
        headers={"Range": "bytes=99999999-"},
        status=416,
        of_nginx={"CC_CONFLICTING": "nginx can put its `no-store` only beside the picture's own Cache-Control. It is the stronger one."},
    ),
    "an original": Asked(path="/img/{id}", status=200),
    "an unchanged original": Asked(path="/img/{id}", headers={"If-None-Match": "*"}, status=304),
    "a range of an original": Asked(path="/img/{id}", headers={"Range": "bytes=0-99"}, status=206),
    "a picture in another format": Asked(path="/img/{id}.png", status=200),
    "an alias": Asked(path="/img/{id}/w9.jpeg", status=200),
    "a picture that is staged": Asked(
        path="/img/{staged}/w256.webp",
        status=200,
        of_nginx={"INM_FULL": "nginx asks the app for the whole of what it does not keep, and what is staged it does not keep."},
    ),
    "auto as webp": Asked(path="/img/{id}/w200.auto", headers={"Accept": "image/webp,*/*"}, status=200),
    "auto as jpg": Asked(path="/img/{id}/w200.auto", status=200),
    "auto as avif": Asked(
        path="/img/{id}/w64.auto",
        headers={"Accept": "image/avif,image/webp,*/*"},
        status=200,
        accepted={"CONTENT_TYPE_MISMATCH": "httplint knows the first bytes of many types, and AVIF is not among them."},
    ),
    "an unchanged auto": Asked(path="/img/{id}/w200.auto", headers={"If-None-Match": "*", "Accept": "image/webp"}, status=304),
    "text": Asked(path="/img/{id}/w40.txt", status=200),
    "a page of text": Asked(
        path="/img/{id}/w40.html",
        status=200,
        accepted={
            "CSP_UNSAFE_INLINE": "It means scripts, and `default-src 'none'` allows none: `'unsafe-inline'` stands for styles alone."
        },
    ),
    "what a variant is": Asked(path="/img/{id}/w256.webp.json", status=200),
    "another spelling": Asked(path="/img/{id}/h100,w0200.webp", status=308),
    "a stored focal point": Asked(path="/img/{id}/w9,h9,fit_cover,g_focal.webp", status=307),
    "no plan": Asked(path="/img/{id}/w0.webp", status=400, accepted=REFUSED),
    "no plan, as a page": Asked(path="/img/{id}/w0.webp", headers={"Accept": "text/html"}, status=400, accepted=REFUSED),
    "no such picture": Asked(path="/img/{nobody}/w256.webp", status=404),
    "no such address": Asked(path="/nothing", status=404),
    "another method": Asked(path="/img/{id}/w256.webp", method="DELETE", status=405),
    "a product": Asked(path="/products/{product}", status=200),
    "all products": Asked(path="/products", status=200),
    "an image": Asked(path="/images/{id}", status=200),
    "the earlier address of an image": Asked(path="/images/{id}/", status=200),
    "the earlier address of an image, as text": Asked(path="/images/{id}/", headers={"Accept": "text/plain"}, status=200),
    "a named transform": Asked(path="/images/{id}/thumbnail/?w=64", status=200),
    "all operations": Asked(path="/transforms", status=200),
    "the description": Asked(path="/openapi.json", status=200),
    "the front door": Asked(path="/", status=200),
    "the front door, as a page": Asked(path="/", headers={"Accept": "text/html"}, status=200),
    "the meaning of a problem": Asked(path="/problems/bad-plan", status=200),
}


@pytest.fixture(scope="module")
def seen(deployment: Deployment) -> Mapping[str, Any]:
    """What redbot says of each answer, all looked at in one go."""
    with httpx2.Client(base_url=deployment.url, timeout=30) as api:
        (staged,) = upload(api, photo(800, 600))
        image_id = store(api, photo(800, 600))
        known = {"id": image_id, "nobody": "a" * 26, "staged": staged, "product": product(api, [image_id])["id"]}
    asked = [
        {"url": deployment.url + filled(one.path, known), "method": one.method, "headers": dict(one.headers)} for one in ANSWERS.values()
    ]
    command = [sys.executable, str(Path(redbot_driver.__file__))]
    told = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=True).stdout
    return dict(zip(ANSWERS, json.loads(told), strict=True))


@pytest.mark.parametrize("name", ANSWERS)
def test_redbot_and_httplint_find_no_fault(deployment: Deployment, seen: Mapping[str, Any], name: str) -> None:
    asked, found = ANSWERS[name], seen[name]
    assert (found["status"], found["error"]) == (asked.status, None)
    accepted = {**EVERYWHERE, **asked.accepted, **(asked.of_nginx if deployment.name == "grown" else {})}
    assert not [note for note in found["notes"] if note["level"] in FAULTS and note["name"] not in accepted]


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("fresh", [None, 0, 300])
@pytest.mark.parametrize("left", [None, 0, 60])
def test_httplint_finds_no_fault_in_what_a_remote_or_signed_picture_says(
    *, staged: bool, named: bool, fresh: int | None, left: int | None
) -> None:
    terms = Terms(freshness=freshness(time(), staged=staged, named=named, fresh=fresh, exp=None if left is None else int(time()) + left))
    linter = HttpResponseLinter()
    linter.process_response_topline(b"1.1", b"200", b"OK")
    linter.process_headers([(b"date", formatdate(usegmt=True).encode()), *picture_headers("a.webp", "webp", "tag", terms)])
    linter.feed_content(b"RIFF\x00\x00\x00\x00WEBPVP8 ")
    linter.finish_content(complete=True)
    assert not [str(note) for note in linter.notes if note.level.value in FAULTS and type(note).__name__ not in EVERYWHERE]
