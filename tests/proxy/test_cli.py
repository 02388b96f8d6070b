"""The command line as people use it: real processes."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from openapi_spec_validator import validate

from tests.deployments import PROGIMAGE, environment
from tests.servers import free_port, running

COMMANDS = ("serve", "worker", "purge", "reconcile", "doctor", "sign", "explain", "openapi")


def run(*arguments: str, folder: Path, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(PROGIMAGE), *arguments]
    return subprocess.run(command, cwd=folder, env=environment(settings or {}), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_answers_at_once(tmp_path: Path, command: str) -> None:
    times = []
    for _ in range(3):
        before = time.perf_counter()
        result = run(*command.split(), "--help", folder=tmp_path)
        times.append(time.perf_counter() - before)
    assert result.returncode == 0
    assert min(times) < 0.3
    assert all(name in result.stdout for name in ([command] if command else COMMANDS))


@pytest.mark.parametrize("command", ["serve", "worker", "purge", "openapi"])
def test_a_wrong_setting_ends_the_start_with_one_line(tmp_path: Path, command: str) -> None:
    result = run(command, folder=tmp_path, settings={"PROGIMAGE_MAX_BYTES": "huge"})
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line == "progimage: PROGIMAGE_MAX_BYTES='huge' is not accepted: it takes a number of bytes, or one with a unit like 512MiB"


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port), folder=tmp_path)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line


@pytest.mark.parametrize("command", ["serve", "worker", pytest.param("purge", marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("name", "url"), [("PROGIMAGE_REDIS_URL", "redis://127.0.0.1:{}"), ("PROGIMAGE_DATABASE_URL", "postgresql://127.0.0.1:{}/x")]
)
def test_a_dependency_that_is_away_is_one_line_that_names_the_setting(tmp_path: Path, command: str, name: str, url: str) -> None:
    port = ["--port", str(free_port())] if command == "serve" else []
    result = run(command, *port, folder=tmp_path, settings={name: url.format(free_port())})
    assert result.returncode == 1
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("progimage:"))
    assert name in line


def test_the_openapi_document_is_printed_and_valid(tmp_path: Path) -> None:
    validate(json.loads(run("openapi", folder=tmp_path).stdout))


def test_one_command_serves_and_the_others_work_beside_it(tmp_path: Path) -> None:
    """One story, because a start takes seconds: two processes come up, are counted together, examined, and drain."""
    port, data = free_port(), tmp_path / "data"
    url, log = f"http://127.0.0.1:{port}", tmp_path / "serve.log"
    command = [PROGIMAGE, "serve", "--port", str(port), "--workers", "2", "--data", data]
    quick = {"PROGIMAGE_DRAIN_NOTICE": "0", "PROGIMAGE_RENDERERS": "1"}
    with running(
        command, url=url, log=log, ready=lambda: f"ProgImage serves on {url}" in log.read_text(), env=environment(quick), within=40
    ) as server:
        for _ in range(8):
            # A new connection each, so that both processes answer some.
            assert httpx2.get(f"{url}/livez").status_code == 200
        counted = httpx2.get(f"{url}/metrics").text
        assert 'progimage_request_seconds_count{method="GET",route="/livez",status="200"} 8.0' in counted

        examined = run("doctor", "--data", str(data), folder=tmp_path)
        assert examined.returncode == 0, examined.stdout
        assert "FAIL" not in examined.stdout

        purged = run("purge", "--data", str(data), folder=tmp_path)
        assert purged.returncode == 0, purged.stderr
        assert purged.stdout == "purged 0 stored and 0 expired uploads, 0 bytes\n"

        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
    assert not (data / "redis/redis.sock").exists(), "the embedded server ends with the last that used it"


def test_a_socket_file_that_a_killed_server_left_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    log = tmp_path / "serve.log"
    command = [PROGIMAGE, "serve", "--uds", path, "--data", tmp_path / "data"]
    with running(
        command, url=str(path), log=log, ready=lambda: "ProgImage serves" in log.read_text(), env=environment({}), within=40
    ) as server:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client:
            assert client.get("http://socket/livez").status_code == 200
        second = run("serve", "--uds", str(path), folder=tmp_path)
        assert second.returncode == 1
        assert "another program" in second.stderr
        os.kill(server.pid, signal.SIGINT)
        assert server.process.wait(timeout=20) == 0
    assert not path.exists()


def test_doctor_names_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    wrong = {
        "PROGIMAGE_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "PROGIMAGE_STORAGE_URL": "/proc/nowhere",
        "PROGIMAGE_DATABASE_URL": f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x",
    }
    result = run("doctor", folder=tmp_path, settings=wrong)
    assert result.returncode == 1
    verdicts = {line.split()[0]: line.split()[1] for line in result.stdout.splitlines() if not line.startswith(" ")}
    assert verdicts == {
        "settings": "ok", "data": "ok", "database": "FAIL", "store": "FAIL", "redis": "FAIL", "formats": "ok", "keys": "ok",
    }  # fmt: skip
    assert result.stdout.count("mend: ") == 3
    assert "hunter2" not in result.stdout + result.stderr


def test_doctor_reports_a_wrong_setting_like_any_other_failure(tmp_path: Path) -> None:
    result = run("doctor", folder=tmp_path, settings={"PROGIMAGE_WARN": "x"})
    assert result.returncode == 1
    assert "FAIL" in result.stdout
    assert "PROGIMAGE_WARM" in result.stdout
