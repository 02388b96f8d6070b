"""What operators and programs see of the service itself: health, metrics, logs, problems, OpenAPI."""

import re

import httpx2
import pytest

from tests.deployments import Deployment
from tests.e2e.conftest import eventually, upload
from tests.photos import photo
from transforms.operation import registry


def test_it_lives_and_is_ready(deployment: Deployment, api: httpx2.Client) -> None:
    assert api.get("/livez").text == "ok\n"
    assert api.get("/readyz").json()["status"] == "ready"


def test_metrics_count_requests_and_are_not_for_the_public(deployment: Deployment) -> None:
    inside = httpx2.get(f"{deployment.apps[0].url}/metrics")
    assert inside.status_code == 200
    assert "progimage_" in inside.text
    if deployment.name == "grown":
        assert httpx2.get(f"{deployment.url}/metrics").status_code == 404


def test_every_answer_carries_a_request_id_and_the_log_has_it(deployment: Deployment) -> None:
    app = deployment.apps[0]
    answer = httpx2.get(f"{app.url}/img/{'a' * 26}", headers={"x-request-id": "test-4711"})
    assert answer.headers["x-request-id"] == "test-4711"
    assert answer.json()["request_id"] == "test-4711"
    eventually(lambda: "test-4711" in app.log_text())
    assert len(httpx2.get(f"{app.url}/livez").headers["x-request-id"]) >= 16
    spoofed = httpx2.get(f"{app.url}/livez", headers={"x-request-id": 'a"b{}' * 100})
    assert spoofed.headers["x-request-id"] != 'a"b{}' * 100


@pytest.mark.parametrize("path", ["/admin", "/.env", "/.git/config", "/debug", "/img", "/imgs/x", "/products/x/y"])
def test_what_is_not_there_is_a_problem_that_says_so(api: httpx2.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    problem = answer.json()
    assert problem["status"] == 404
    assert problem["type"]
    assert problem["title"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/uploads", "POST"),
        ("DELETE", "/products", "GET, HEAD, POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("DELETE", "/img/x", "GET, HEAD"),
    ],
)
def test_another_method_is_told_which_ones_there_are(api: httpx2.Client, method: str, path: str, allowed: str) -> None:
    answer = api.request(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == allowed.split(", ")


def test_a_url_that_is_too_long_is_refused(deployment: Deployment) -> None:
    assert httpx2.get(f"{deployment.apps[0].url}/img/{'a' * 2100}").status_code == 414


def test_openapi_describes_every_route(api: httpx2.Client) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path in (
        "/uploads",
        "/uploads/{id}",
        "/products",
        "/products/{id}",
        "/images",
        "/images/{id}",
        "/img/{id}",
        "/livez",
        "/readyz",
        "/",
    ):
        assert path in document["paths"], path


def test_all_operations_and_formats_are_told(api: httpx2.Client) -> None:
    told = api.get("/transforms").json()
    assert [operation["name"] for operation in told["operations"]] == list(registry())
    assert next(operation for operation in told["operations"] if operation["name"] == "fit")["default"] == "fit_inside"
    formats = {format["name"]: format for format in told["formats"]}
    assert formats["webp"]["reads"]
    assert formats["webp"]["writes"]
    assert not formats["tiff"]["reads"]
    assert not formats["svg"]["writes"]


def test_the_front_door_lists_what_there_is(api: httpx2.Client) -> None:
    listed = api.get("/").json()
    assert listed["uploads"].endswith("/uploads")
    page = api.get("/", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text


def test_a_browser_is_told_of_problems_in_a_page(api: httpx2.Client) -> None:
    answer = api.post("/uploads", files=[("image", ("", b""))], headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script" not in answer.text


def test_the_type_of_a_problem_leads_to_what_it_means_and_further(api: httpx2.Client) -> None:
    kind = api.get("/img/nothing").json()["type"]
    plain, page = api.get(kind), api.get(kind, headers={"accept": "text/html,*/*;q=0.8"})
    assert (plain.headers["content-type"].partition(";")[0], plain.headers["vary"]) == ("text/plain", "Accept")
    assert plain.text.startswith("404 No such image\n")
    assert "No such image" in page.text
    for shown in (page, api.get("/", headers={"accept": "text/html"})):
        links = re.findall(r'href="([^"]+)"', shown.text)
        assert "/transforms" in links
        assert {api.get(link).status_code for link in links} == {200}


def test_the_two_steps_work_without_javascript(api: httpx2.Client) -> None:
    page = api.post("/uploads", files=[("image", ("a.jpg", photo(64, 48)))], headers={"accept": "text/html"})
    (image_id,) = upload(api, photo(64, 48))
    assert page.status_code == 200
    assert 'name="price"' in page.text
    saved = api.post("/products", data={"name": "<b>Vase</b>", "price": "12.5", "images": [image_id]}, headers={"accept": "text/html"})
    assert saved.status_code == 303
    shown = api.get(saved.headers["location"], headers={"accept": "text/html"})
    assert "&lt;b&gt;Vase&lt;/b&gt;" in shown.text
    assert "12.50 EUR" in shown.text
