"""Problems: each error of the tree has one answer, and says nothing that is private."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from catalog.errors import CatalogUnavailable, ImageBusy
from proxy import errors
from proxy.errors import ANSWERS, PROBLEM_JSON, response_to, translated
from proxy.reference import errors_page, transforms_page
from services.errors import BadRequest, ExpiredImage, UnknownImage
from storage.base import StagingFull
from tests.servers import REPOSITORY
from transforms.errors import ImageError, LimitExceeded, PlanError, PoolBusy, ProgImageError
from transforms.operation import registry

ROOMS = ("transforms", "storage", "catalog", "services", "proxy")


def import_everything() -> None:
    for room in ROOMS:
        for module in pkgutil.walk_packages(importlib.import_module(room).__path__, f"{room}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)


def descendants(kind: type[ProgImageError]) -> Iterator[type[ProgImageError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def body_of(response: Response) -> dict[str, Any]:
    problem: dict[str, Any] = json.loads(bytes(response.body))
    return problem


def test_every_error_that_can_be_raised_has_an_answer() -> None:
    import_everything()
    # Classes made by tests are not part of the tree; those with children are there to be caught.
    tree = [kind for kind in descendants(ProgImageError) if kind.__module__.split(".")[0] in ROOMS]
    assert [kind.__name__ for kind in tree if kind not in ANSWERS and not kind.__subclasses__()] == []


def test_types_are_unique_and_speak_for_themselves() -> None:
    slugs = [kind.slug for kind in ANSWERS]
    assert len(set(slugs)) == len(slugs)
    assert all(slug.replace("-", "").isalpha() and slug.islower() for slug in slugs)


def test_every_error_is_documented() -> None:
    assert (REPOSITORY / "docs/errors.md").read_text() == errors_page(), "run `make docs`"


def test_every_operation_is_documented_with_a_picture() -> None:
    assert (REPOSITORY / "docs/transforms.md").read_text() == transforms_page(), "run `make docs`"
    for name in registry():
        assert (REPOSITORY / f"docs/operations/{name}.webp").stat().st_size > 100, "run `make docs`"


def test_a_problem_has_a_type_a_sentence_the_request_and_the_facts() -> None:
    error = LimitExceeded("The picture has 2 frames.", limit="frames", value=2, maximum=1)
    response = response_to(error, None)
    assert response.status_code == 422
    assert response.media_type == PROBLEM_JSON
    problem = body_of(response)
    assert problem["type"] == "/problems/limit-exceeded"
    assert problem["detail"] == "The picture has 2 frames."
    assert (problem["limit"], problem["value"], problem["maximum"]) == ("frames", 2, 1)
    assert problem["request_id"]


def test_facts_cannot_pass_for_members_of_the_problem() -> None:
    problem = body_of(response_to(BadRequest("no", status=200, type="x", title="fine", request_id="other"), None))
    assert (problem["status"], problem["type"], problem["title"]) == (400, "/problems/bad-request", "Bad request")


@pytest.mark.parametrize(
    ("error", "status", "cache_control", "retry"),
    [
        (PlanError("x"), 400, "no-store", None),
        (UnknownImage("x"), 404, "max-age=60", None),
        (ExpiredImage("x"), 410, "max-age=60", None),
        (PoolBusy("x"), 503, "no-store", range(1, 6)),
        (StagingFull("x"), 503, "no-store", range(5, 31)),
        (CatalogUnavailable("x"), 503, "no-store", range(1, 6)),
        (ImageBusy("x"), 503, "no-store", range(1, 2)),
    ],
)
def test_each_says_how_long_it_may_be_kept_and_when_to_come_back(
    error: ProgImageError, status: int, cache_control: str, retry: range | None
) -> None:
    response = response_to(error, "image/avif,*/*;q=0.8")
    assert response.status_code == status
    assert response.headers["cache-control"] == cache_control
    assert (int(response.headers["retry-after"]) in retry) if retry else "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("password=hunter2"), 500), (ImageError("never raised itself, so a bug"), 500), (HTTPException(502, "hunter2"), 500)],
)
def test_a_bug_is_a_500_that_tells_nothing(error: Exception, status: int) -> None:
    response = response_to(error, None)
    assert response.status_code == status
    assert b"hunter2" not in bytes(response.body)
    assert errors.is_bug(error)


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (HTTPException(404), errors.NoSuchAddress),
        (HTTPException(405, headers={"Allow": "POST, GET"}), errors.MethodNotAllowed),
        (HTTPException(400, "There are too many fields."), BadRequest),
    ],
)
def test_what_starlette_refuses_becomes_one_of_ours(refused: HTTPException, kind: type[ProgImageError]) -> None:
    assert type(translated(refused)) is kind


def test_a_405_names_what_is_allowed() -> None:
    response = response_to(HTTPException(405, headers={"Allow": "POST, GET"}), None)
    assert response.headers["allow"] == "GET, POST"


def test_somebody_with_a_browser_gets_a_page_in_which_nothing_of_a_stranger_is_markup() -> None:
    response = response_to(PlanError("<script>alert(1)</script>", token="<b>"), "text/html,application/xhtml+xml,*/*;q=0.8")
    assert response.media_type == "text/html"
    assert b"<script" not in bytes(response.body)
    assert b"&lt;script&gt;" in bytes(response.body)
