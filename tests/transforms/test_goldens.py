"""What operations are meant to look like: the pictures of the documentation, and finer ones beside this file, drawn anew.

When a picture changed on purpose: `make docs` draws them all, and the change shows in the commit.
"""

from pathlib import Path
from typing import Any

import pytest
import pyvips

from bench.pictures import FOLDER, GOLDENS, PLANS, example_of, golden
from transforms.operation import registry

# Between the two pictures, whatever shines through them.
BEHIND = ([70, 180, 90], [200, 60, 160])
# With brightness1.25 for 1.3, hue115 for 120, blur2 for 2.5 or tint_2864d0 for c8 an example is 0.6 to 2.5 from its picture.
LARGEST = 0.4


def distance(one: Any, other: Any) -> float:
    """Mean colour difference (CIEDE2000: 1 is about the least that is seen) after a slight blur, which forgives encoders."""
    assert (one.width, one.height) == (other.width, other.height)
    return max(float(_seen(one, colour).dE00(_seen(other, colour)).avg()) for colour in BEHIND)


def _seen(picture: Any, behind: list[int]) -> Any:
    coloured = picture if picture.bands > 2 else picture.colourspace("srgb")
    flat = coloured.flatten(background=behind) if coloured.hasalpha() else coloured
    return flat.colourspace("lab").gaussblur(0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


def committed(path: Path) -> Any:
    assert path.exists(), f"{path.name} is not drawn yet: run `make docs`"
    return pyvips.Image.new_from_file(str(path))


@pytest.mark.parametrize("name", list(registry()))
def test_an_example_looks_as_in_the_documentation(name: str, folder: Path) -> None:
    assert distance(example_of(name, folder), committed(FOLDER / f"{name}.webp")) <= LARGEST


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_looks_as_it_did(name: str, folder: Path) -> None:
    assert distance(golden(PLANS[name], folder), committed(GOLDENS / f"{name}.webp")) <= LARGEST


def test_no_picture_is_left_of_an_operation_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(registry())
    assert {path.stem for path in GOLDENS.iterdir()} == set(PLANS)
