"""compose.yaml, the Dockerfile, the crontab and the Makefile promise things to each other; no container engine is needed to check them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.settings import Settings
from tests.servers import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("app1", "app2", "worker", "purge")


def text_of(name: str) -> str:
    return (REPOSITORY / name).read_text()


def test_compose_has_every_part_of_a_grown_deployment() -> None:
    assert SERVICES.keys() == {"nginx", "forget", *OURS, "postgres", "valkey", "s3"}
    assert "noeviction" in SERVICES["valkey"]["command"]
    assert dict(zip(SERVICES["valkey"]["command"][1::2], SERVICES["valkey"]["command"][2::2], strict=True))["--appendonly"] == "yes"


@pytest.mark.parametrize("name", ["nginx", "postgres", "valkey", "s3"])
def test_what_others_wait_for_has_a_healthcheck_and_keeps_its_data_in_a_volume(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    volume = SERVICES[name]["volumes"][-1].split(":")[0]
    assert volume in COMPOSE["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_wait_for_what_they_need_and_hold_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["depends_on"].keys() == {"postgres", "valkey", "s3"}
    assert {need["condition"] for need in service["depends_on"].values()} == {"service_healthy"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_only_nginx_is_published_and_only_on_this_machine() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"nginx"}
    assert SERVICES["nginx"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "IT IS OPEN" in text_of("compose.yaml")


def test_compose_sets_only_settings_that_exist() -> None:
    known = {f"PROGIMAGE_{name.upper()}" for name in Settings.model_fields}
    used = {name for name in SERVICES["app1"]["environment"] if name.startswith("PROGIMAGE_")}
    assert used <= known
    assert set(re.findall(r"PROGIMAGE_\w+", text_of("Dockerfile"))) <= known


def test_the_drain_fits_into_the_time_that_compose_gives() -> None:
    drain = float(Settings.model_fields["drain"].default)
    assert drain < int(SERVICES["app1"]["stop_grace_period"].removesuffix("s"))


def test_the_files_that_compose_mounts_are_there() -> None:
    for mount in (*SERVICES["nginx"]["volumes"][:2], SERVICES["forget"]["volumes"][0]):
        assert (REPOSITORY / mount.split(":")[0]).exists()
    upstreams = re.findall(r"server (\w+):8080", text_of("nginx/compose/http.conf"))
    assert upstreams == ["app1", "app2"]


def test_nginx_is_told_of_deletions_where_it_listens_and_its_files_are_forgotten_where_it_writes() -> None:
    port = re.search(r"listen (\d+);", text_of("nginx/compose/purge.conf"))
    assert port
    assert SERVICES["app1"]["environment"]["PROGIMAGE_EDGES"] == f"http://nginx:{port[1]}"
    assert all(port[1] not in published for published in SERVICES["nginx"]["ports"])
    assert SERVICES["forget"]["image"] == SERVICES["nginx"]["image"]
    assert SERVICES["forget"]["volumes"][-1] == SERVICES["nginx"]["volumes"][-1]
    folders = re.findall(r"/var/cache/nginx/\w+", text_of("nginx/forget"))
    for site in ("site", "compose"):
        files = "".join(text_of(f"nginx/{site}/{name}.conf") for name in ("http", "server", "purge"))
        assert set(folders) == set(re.findall(r"/var/cache/nginx/\w+", files))


def test_compose_says_aloud_that_uploads_are_open() -> None:
    assert SERVICES["app1"]["environment"]["PROGIMAGE_OPEN_UPLOADS"] == "true"


def test_the_image_is_pinned_unprivileged_and_checked() -> None:
    dockerfile = text_of("Dockerfile")
    stages = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.search(r":\d", stage) for stage in stages)
    assert dockerfile.index("USER 10001") < dockerfile.index("CMD [")
    assert "HEALTHCHECK" in dockerfile
    assert "/livez" in dockerfile
    assert "libjemalloc.so.2" in dockerfile
    assert "--frozen" in dockerfile


def test_no_image_floats() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    assert [image for image in images if not re.search(r":v?\d", image)] == []


def test_every_room_is_copied_into_the_image_and_allowed_into_its_context() -> None:
    for room in ("proxy", "services", "catalog", "storage", "transforms"):
        assert f"COPY {room} {room}\n" in text_of("Dockerfile")
        assert f"!{room}\n" in text_of(".dockerignore")


def test_makefile_and_dockerfile_agree_on_uv() -> None:
    version = re.search(r"UV_VERSION := (\S+)", text_of("Makefile"))
    assert version is not None
    assert f"/uv:{version[1]} " in text_of("Dockerfile")


@pytest.mark.parametrize("command", ["serve", "worker", "purge"])
def test_the_commands_that_the_files_call_exist(command: str) -> None:
    files = "".join(map(text_of, ("compose.yaml", "deploy/crontab", "Dockerfile")))
    assert re.search(rf"progimage\W{{1,4}}{command}\b", files)
    program = Path(sys.executable).with_name("progimage")
    assert subprocess.run([program, command, "--help"], capture_output=True, check=False).returncode == 0


def test_the_makefile_lists_its_targets() -> None:
    listed = subprocess.run(["make", "-s"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "bench", "docs", "clean"):
        assert f"make {target} " in listed
