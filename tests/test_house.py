"""The rules of the house that a linter does not know, and a proof that the import contracts bite."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

ROOMS = ("proxy", "services", "catalog", "storage", "transforms")
MODULES = sorted(path for room in (*ROOMS, "bench", "scripts") for path in (REPOSITORY / room).rglob("*.py"))
ALLOWED_IMPORTERS = {
    "pyvips": ("transforms/engine/*",),
    "boto3": ("storage/*",),
    "botocore": ("storage/*",),
    "redis": ("storage/*", "services/broker.py"),
    "httpx2": ("services/origins/*", "services/edges.py"),
    "httpcore2": ("services/origins/*", "services/edges.py"),
    "dns": ("services/origins/*", "services/edges.py"),
}


# The failures that ProgImage is made for, as the design numbers them: Redis, S3, database, disk and limits, workers, apps, clients.
FAILURES = {"R": 9, "S": 10, "D": 8, "K": 4, "W": 4, "A": 6, "C": 5}
ROW = re.compile(r"@pytest\.mark\.row\(([^)]*)\)")


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """The top-level names that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The rooms and their contracts, to be broken."""
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_the_rooms_keep_their_contracts(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("proxy/intruder.py", "import boto3", "The storage alone imports boto3"),
        ("catalog/intruder.py", "import redis", "The storage and the broker alone import redis"),
        ("services/intruder.py", "def later():\n    import pyvips", "The engine alone imports pyvips"),
        ("transforms/intruder.py", "from transforms import engine", "The pure modules of transforms"),
        ("transforms/intruder.py", "import services.values", "Rooms import one way"),
        ("proxy/intruder.py", "import httpx2", "The origins and the edges alone speak to other hosts"),
        ("storage/intruder.py", "import catalog.errors", "Rooms import one way"),
        ("catalog/intruder.py", "import storage.base", "Rooms import one way"),
    ],
)
def test_a_broken_contract_fails_the_check(copy: Path, module: str, line: str, contract: str) -> None:
    (copy / module).write_text(line + "\n")
    result = lint_imports(copy)
    assert result.returncode == 1, result.stdout
    assert re.search(rf"{re.escape(contract)}.* BROKEN", result.stdout), result.stdout


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_is_imported_only_where_it_belongs(path: Path) -> None:
    for library in ALLOWED_IMPORTERS.keys() & set(imports_of(path)):
        allowed = ALLOWED_IMPORTERS[library]
        assert name_of(path).startswith("bench/") or any(Path(name_of(path)).match(pattern) for pattern in allowed), library


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") < 300
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 40}
    assert not long


def test_no_committed_file_names_a_path_of_one_machine_or_a_package_registry() -> None:
    # Spelled in pieces, for this file is committed too. The lock cannot but name where packages come from.
    words = ["/" + "work/", "/" + "tmp/brief", "pypi" + ".org", "python" + "hosted"]
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listing.split("\0")):
        path = REPOSITORY / name
        if name != "uv.lock" and path.is_file():
            text = path.read_text(errors="replace")
            assert not [word for word in words if word in text], name


def test_each_failure_of_the_table_is_caused_by_a_test() -> None:
    marks = (mark for path in (REPOSITORY / "tests").rglob("test_*.py") for mark in ROW.findall(path.read_text()))
    named = {name for mark in marks for name in re.findall(r'"(\w+)"', mark)}
    assert named == {f"{letter}{number + 1}" for letter, rows in FAILURES.items() for number in range(rows)}
