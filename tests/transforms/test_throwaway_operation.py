"""One new file is a new operation: found by the parser, its errors, the canonical text, the documentation, and drawn."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.pictures import encoded, image
from tests.servers import REPOSITORY
from tests.transforms.spellings import NAMES

OPERATION = '''
"""stripes: darken every other band of rows."""

from dataclasses import dataclass
from typing import ClassVar

from transforms.geometry import Size
from transforms.operation import Image, Operation, Stage, param, register
from transforms.params import Integer


@register
@dataclass(frozen=True, kw_only=True)
class Stripes(Operation):
    after: ClassVar[str] = "invert"

    stripes: int | None = param(Integer(1, 50), default=None, summary="darken every other band of so many rows", example="w60,stripes8")

    def apply_to_frame(self, frame: Image, size: Size, stage: Stage) -> Image:
        rows = type(frame).xyz(*size)[1]
        return (rows % (2 * self.stripes) < self.stripes).ifthenelse(frame, frame.linear(0.5, 0).cast("uchar"))
'''

# Runs in a process of its own: registries are filled once.
WITNESS = """
import json
import sys
from pathlib import Path

import transforms.operations

folder, picture = sys.argv[1:]
transforms.operations.__path__.append(folder)

import pyvips

from bench.drawing import LIMITS, drawn
from proxy.handlers.transforms import operations
from proxy.reference import transforms_page
from proxy.routes import document
from transforms.engine import probe
from transforms.errors import PlanError
from transforms.grammar import parse
from transforms.operation import registry


def refusal(text):
    try:
        parse(text, "webp")
    except PlanError as error:
        return [str(error), error.facts["nearest"]]


path = Path(picture)
made = pyvips.Image.new_from_buffer(drawn("stripes10", "png", path, probe(path, LIMITS)).data, "")
print(json.dumps({
    "names": list(registry()),
    "canonical": str(parse("stripes010,sepia,gray,invert,normalize", "webp")),
    "too many": refusal("stripes51"),
    "misspelled": refusal("stripe5"),
    "told": [known.model_dump() for known in operations() if known.name == "stripes"],
    "page": transforms_page(),
    "openapi": json.dumps(document()),
    "rows": [made(5, row)[0] for row in (5, 15, 25)],
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What everything that reads the registry says of an operation whose file lies in another folder."""
    folder = tmp_path_factory.mktemp("more operations")
    (folder / "stripes.py").write_text(OPERATION)
    picture = folder / "grey.png"
    picture.write_bytes(encoded(image(60, 40, quarters=((200, 200, 200),) * 4)))
    command = [sys.executable, "-c", WITNESS, str(folder), str(picture)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_it_stands_where_it_says_in_the_pipeline(told: dict[str, Any]) -> None:
    names = list(NAMES)
    names.insert(names.index("invert") + 1, "stripes")
    assert told["names"] == names
    assert told["canonical"] == "gray,sepia,invert,stripes10,normalize"


def test_errors_name_its_range_and_its_name(told: dict[str, Any]) -> None:
    assert "a whole number from 1 to 50" in told["too many"][0]
    assert told["misspelled"][1] == "stripes"


def test_it_is_documented_everywhere(told: dict[str, Any]) -> None:
    summary = "darken every other band of so many rows"
    (operation,) = told["told"]
    assert (operation["summary"], operation["expected"]) == (summary, "a whole number from 1 to 50")
    assert (operation["example"], operation["default"], operation["formats"]) == ("w60,stripes8", None, None)
    assert f"| `stripes` | {summary} |" in told["page"]
    assert f"`stripes`: {summary}." in told["openapi"]


def test_it_is_drawn(told: dict[str, Any]) -> None:
    assert told["rows"] == [200, 100, 200]
