"""What every operation promises of the pixels, on every kind of picture: exact sizes, and transparency that is foreseen."""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from bench.drawing import LIMITS, drawn, resolved
from tests.pictures import encoded, image, in_soak, transparent
from tests.transforms.spellings import (
    NAMES,
    WRITABLE,
    example,
    formats_of,
    measured,
    own_token,
    pixel_names,
    plans,
    small,
    text_of,
    tokens_of,
    value_of,
)
from transforms.engine import probe
from transforms.errors import ImpossibleOutput, PlanError
from transforms.formats import FORMATS
from transforms.geometry import Size
from transforms.grammar import parse
from transforms.limits import Limits
from transforms.operation import Operation, Setting, Stage, first_rank, registry
from transforms.plan import simplified
from transforms.values import Facts, Rendition

# Results beyond it are refused: small pictures prove the same.
SMALL = Limits(accepted=frozenset(FORMATS), output_side=2_000, output_pixels=400_000, costly_output_pixels=400_000)
RASTERS = [name for name in WRITABLE if FORMATS[name].loaders]


def quarters(width: int, height: int) -> Any:
    """Of any size, even 1 x 1."""
    return image(max(2, width), max(2, height)).crop(0, 0, width, height)


def holes(width: int, height: int) -> Any:
    """The same with its right half transparent, and a row that is half so."""
    columns, rows = max(2, width), max(3, height)
    faded = transparent(columns, rows).linear([1, 1, 1, 0.5], [0]).cast("uchar").crop(0, 0, columns, 1)
    return transparent(columns, rows).insert(faded, 0, 1).crop(0, 0, width, height).copy(interpretation="srgb")


def _moving(width: int, height: int, suffix: str, *, alpha: bool = False) -> bytes:
    picture = holes(width, height) if alpha else quarters(width, height)
    strip = pyvips.Image.arrayjoin([picture, picture.fliphor(), picture.flipver()], across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", height)
    strip.set_type(pyvips.GValue.array_int_type, "delay", [50, 60, 70])
    return encoded(strip, suffix)


def _lying(width: int, height: int) -> bytes:
    stored = quarters(width, height).rot270().copy()
    stored.set_type(pyvips.GValue.gint_type, "orientation", 6)
    return encoded(stored, ".jpg")


KINDS: Mapping[str, Callable[[int, int], bytes]] = {
    "jpg": lambda width, height: encoded(quarters(width, height), ".jpg"),
    "lying jpg": _lying,
    "grey jpg": lambda width, height: encoded(quarters(width, height).colourspace("b-w"), ".jpg"),
    "cmyk jpg": lambda width, height: encoded(quarters(width, height).colourspace("cmyk"), ".jpg"),
    "png": lambda width, height: encoded(quarters(width, height)),
    "transparent png": lambda width, height: encoded(holes(width, height)),
    "grey png": lambda width, height: encoded(quarters(width, height).colourspace("b-w")),
    "grey transparent png": lambda width, height: encoded(holes(width, height).colourspace("b-w")),
    "16-bit png": lambda width, height: encoded(quarters(width, height).colourspace("rgb16")),
    "16-bit transparent png": lambda width, height: encoded(holes(width, height).colourspace("rgb16")),
    "palette png": lambda width, height: encoded(quarters(width, height), ".png", palette=True),
    "webp": lambda width, height: encoded(holes(width, height), ".webp"),
    "gif": lambda width, height: encoded(quarters(width, height), ".gif"),
    "moving gif": lambda width, height: _moving(width, height, ".gif"),
    "moving webp": lambda width, height: _moving(width, height, ".webp", alpha=True),
    "float tiff": lambda width, height: encoded(quarters(width, height).colourspace("scrgb"), ".tif"),
}


class Studio:
    """Draws small pictures of every kind by way of files, as the service does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.overlay = folder, folder, folder / "overlay"
        self.overlay.write_bytes(encoded(transparent(30, 20)))

    def source(self, kind: str, width: int, height: int) -> Facts:
        # Each has a name of its own: libvips remembers what it found under a name.
        self.path = self.folder / f"{kind} {width} {height}"
        if not self.path.exists():
            self.path.write_bytes(KINDS[kind](width, height))
        return probe(self.path, LIMITS)

    def draw(self, text: str, extension: str, facts: Facts, limits: Limits = SMALL) -> Rendition:
        """ImpossibleOutput and PlanError as the service would have them; any other error is a fault."""
        return drawn(text, extension, self.path, facts, overlay=self.overlay, limits=limits)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"))


def opened(rendition: Rendition) -> Any:
    """All frames of an encoded picture, read by libvips with nothing of ours in between."""
    moves = FORMATS[rendition.format].animation
    return pyvips.Image.new_from_buffer(rendition.data, "", **({"n": -1} if moves else {})).copy_memory()


def size_of(picture: Any) -> Size:
    return Size(picture.width, picture.get_page_height())


def pixels_of(picture: Any) -> bytes:
    """As 8-bit RGBA."""
    flat = picture.colourspace("srgb")
    return bytes((flat if flat.hasalpha() else flat.addalpha()).cast("uchar").write_to_memory())


sides = st.one_of(st.integers(1, 300), st.integers(1, 4))
kinds = st.sampled_from(sorted(KINDS))


@st.composite
def written(draw: st.DrawFn, extensions: Sequence[str]) -> tuple[str, str]:
    """The text of a plan of one to four operations a stage, and an extension."""
    extension = draw(st.sampled_from(list(extensions)))
    return text_of(draw(plans(extension, most=4, stages=2, tiny=True))), extension


@given(kind=kinds, width=sides, height=sides, asked=written(RASTERS))
def test_what_comes_out_has_the_size_that_was_foretold(studio: Studio, kind: str, width: int, height: int, asked: tuple[str, str]) -> None:
    text, extension = asked
    facts = studio.source(kind, width, height)
    assert facts.size == Size(width, height)
    try:
        foretold = resolved(text, extension, studio.path, facts, SMALL, overlay=studio.overlay)
        rendition = studio.draw(text, extension, facts)
    except (ImpossibleOutput, PlanError) as refused:
        assert str(refused)
        return
    picture = opened(rendition)
    assert rendition.size == foretold.size == size_of(picture)
    assert rendition.format == foretold.plan.format == extension
    # An encoder may join frames that look alike.
    assert picture.height // picture.get_page_height() <= foretold.frames


@given(kind=st.sampled_from(["jpg", "cmyk jpg", "grey png", "16-bit png", "moving gif"]), width=sides, height=sides, asked=written(["png"]))
def test_transparency_is_foreseen(studio: Studio, kind: str, width: int, height: int, asked: tuple[str, str]) -> None:
    """The extension `auto` is negotiated by what the plan foresees: else a hole would be filled with white in a JPEG."""
    text, extension = asked
    facts = studio.source(kind, width, height)
    with suppress(ImpossibleOutput, PlanError):
        picture = opened(studio.draw(text, extension, facts))
        shines = picture.hasalpha() and picture[picture.bands - 1].min() < 255
        # GIF is read with a band of opacity, whether anything is transparent or not.
        if shines and not facts.alpha:
            assert parse(text, "auto").transparent(facts), text
            assert resolved(text, extension, studio.path, facts, SMALL, overlay=studio.overlay).plan.transparent(facts), text


def modest(name: str) -> str:
    """Its example; small pictures are enlarged no more than shows."""
    return example(name).replace("w2000", "w200")


# In every run half of the kinds, of which neighbours in the registry get the other half.
@pytest.mark.parametrize(
    ("name", "half"),
    [pytest.param(name, half, marks=in_soak(half != n % 2)) for n, name in enumerate(NAMES) for half in range(2)],
)
def test_its_example_draws_on_every_kind_of_picture_and_in_every_format(studio: Studio, name: str, half: int) -> None:
    """All of both, but not each with each."""
    extensions = formats_of(name)
    for turn, kind in enumerate(list(KINDS)[half::2]):
        extension = extensions[(turn + half) % len(extensions)]
        facts = studio.source(kind, 61, 47)
        text = modest(name) if facts.animated else modest(name).replace("page2", "page1")
        # Text has fewer columns than a picture may have pixels.
        with suppress(ImpossibleOutput) if FORMATS[extension].text else nullcontext():
            rendition = studio.draw(text, extension, facts, LIMITS)
            assert rendition.format == extension, kind
            assert rendition.data, (kind, extension)
            if extension in RASTERS:
                assert size_of(opened(rendition)) == rendition.size, (kind, extension)


@pytest.mark.parametrize("name", [name for name in pixel_names() if not measured(name)])
def test_what_is_dropped_would_have_changed_no_pixel(studio: Studio, name: str) -> None:
    for size in (Size(1, 1), Size(1, 40), Size(40, 1), Size(37, 23), Size(24, 24)):
        picture = holes(*size)
        for token in filter(small, tokens_of(name)):
            stage = next(iter(parse(token, "png").stages), Stage())
            for operation in stage.operations:
                with suppress(ImpossibleOutput):
                    if operation.resolved(size, stage) is None:
                        (after,) = operation.apply([picture], size, stage)
                        assert pixels_of(after) == pixels_of(picture), token


def run(stage: Stage, picture: Any, size: Size) -> Any:
    """The picture after the operations of a stage, none of which is left out but what comes down to nothing on this size."""
    resolved, at = [], size
    for operation in stage.operations:
        if (found := operation.resolved(at, stage)) is not None:
            resolved.append(found)
            at = found.output_size(at, stage)
    frames, ready = [picture], Stage(tuple(resolved), interpolate=pyvips.Interpolate.new("bicubic"))
    for operation in resolved:
        frames, size = operation.apply(frames, size, ready), operation.output_size(size, ready)
    return frames[0]


def name_of(token: str) -> str:
    return re.match("[a-z]+", token)[0]  # type: ignore[index]  # a token begins with letters


def kind_of(token: str) -> type[Operation]:
    return registry()[name_of(token)]


def stage_of(tokens: Sequence[str]) -> Stage:
    """As they were written, with all that the parser would drop."""
    values = defaultdict[type[Operation], dict[str, object]](dict)
    for token in tokens:
        values[kind_of(token)][name_of(token)] = value_of(name_of(token), token)
    return Stage(tuple(sorted((kind(**arguments) for kind, arguments in values.items()), key=first_rank)))


@pytest.mark.parametrize("name", [name for name in pixel_names() if not measured(name)])
def test_a_setting_that_the_text_shows_to_be_nothing_is_nothing(name: str) -> None:
    """Drop one that somebody looks at, a gravity say, and the picture changes."""
    size = Size(150, 100)
    picture, settings = holes(*size).copy_memory(), [known for known, kind in registry().items() if issubclass(kind, Setting)]
    shown = cache(lambda stage: pixels_of(run(stage, picture, size)))
    for written in {(own_token(name),), tuple(example(name).split(","))}:
        others = [token for token in written if small(token) and not issubclass(kind_of(token), Setting)]
        for token in chain.from_iterable(tokens_of(setting)[:12] for setting in settings):
            # The point that stands in place of the word is put there before anything runs.
            stage = stage_of([*others, token.replace("focal", "0.2_0.9")])
            if not any(operation.images() for operation in stage.operations):
                assert shown(stage) == shown(simplified(stage, FORMATS["png"])), (others, token)


@pytest.mark.parametrize("name", pixel_names())
def test_every_frame_of_an_animation_goes_through_it(studio: Studio, name: str) -> None:
    rendition = studio.draw(modest(name), "webp", studio.source("moving webp", 60, 40), LIMITS)
    assert opened(rendition).height == 3 * rendition.size.height


@pytest.mark.parametrize("name", [name for name in pixel_names() if measured(name)])
def test_what_is_measured_sees_the_other_images_that_were_laid_on(studio: Studio, name: str) -> None:
    facts = studio.source("png", 60, 40)
    for laid in ("wm", "mask"):
        assert studio.draw(f"{laid}_{'a' * 26}/{own_token(name)}", "png", facts).data


def test_nothing_here_passes_by_refusing_everything(studio: Studio) -> None:
    """Of the small tokens that the properties draw from, most are drawn."""
    facts, drawn_, refused = studio.source("png", 120, 80), 0, 0
    for name in pixel_names():
        for token in list(filter(small, tokens_of(name)))[:6]:
            try:
                studio.draw(token, "png", facts)
                drawn_ += 1
            except (ImpossibleOutput, PlanError):
                refused += 1
    assert refused <= math.ceil(drawn_ / 10)
