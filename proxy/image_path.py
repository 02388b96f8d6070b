"""The paths of pictures, read and written: `/img/{id}`, `/img/{id}.{ext}`, `/img/{id}/{plan}.{ext}`, each also with `.json` (urls.md).

A remote picture has no id in its path: `/img/{plan}.{ext}`.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

from services.errors import BadRequest
from services.ids import checked_id, is_image_id
from transforms.errors import PlanError
from transforms.grammar import parse
from transforms.operations.gravity import CENTER, Point
from transforms.plan import NOTHING, Plan
from transforms.rewrites import has_focal, has_preset, with_focal

PREFIX = "/img/"
POSTED_PREFIX = "/transform/"
DESCRIBED = ".json"
# In capitals none is known, but it is seen for what it is.
EXTENSION = re.compile(r"[A-Za-z]+[0-9]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ImagePath:
    """`image_id` is empty for a remote picture, `plan` None for the original. `extension` is as it was written: `jpeg` stays `jpeg`.

    `described`: JSON is asked for.
    """

    image_id: str = ""
    plan: Plan | None = None
    extension: str = ""
    described: bool = False

    @cached_property
    def accepted(self) -> str:
        """The path that is answered directly; any other spelling of it is sent here."""
        return self._path(str(self.plan) if self.plan else NOTHING, self.extension)

    @cached_property
    def steered(self) -> bool:
        """Whether the plan names the point that is stored with the image."""
        return self.plan is not None and has_focal(self.plan)

    @cached_property
    def named(self) -> bool:
        """Whether the plan names a preset: what that stands for may change."""
        return self.plan is not None and has_preset(self.plan)

    def with_point(self, point: Point | None) -> "ImagePath":
        """The path with the stored point in it: the middle when none is stored."""
        return replace(self, plan=self.plan and with_focal(self.plan, point or CENTER))

    def with_plan(self, resolved: Plan) -> "ImagePath":
        """The path of what this one came down to on its image."""
        return replace(self, plan=resolved, extension=resolved.format)

    def _path(self, plan: str, extension: str) -> str:
        return path_of(self.image_id, plan, extension) + (DESCRIBED if self.described else "")


def path_of(image_id: str, plan: str = NOTHING, extension: str = "") -> str:
    """The path of a variant, or of the original when there is no extension; that of a remote picture when there is no id."""
    stem = PREFIX + "/".join(part for part in (image_id, plan if plan != NOTHING or not image_id else "") if part)
    return f"{stem}.{extension}" if extension else stem


def split_url(url: str) -> tuple[SplitResult, str]:
    """The parts of a picture's URL that somebody typed, and what stands behind `/img/`; BadRequest when it is none."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadRequest(f"{url[:60]!r} is no URL.", expected=f"a path that begins with {PREFIX}, or a URL with one") from error
    if not parts.path.startswith(PREFIX):
        raise BadRequest(f"{parts.path[:60]!r} is not the path of a picture.", expected=f"a path that begins with {PREFIX}")
    return parts, unquote(parts.path.removeprefix(PREFIX))


@lru_cache(maxsize=4096)
def parse_path(path: str) -> ImagePath:
    """What stands behind `/img/`. UnknownImage when it does not begin with an id, PlanError when the rest is no plan."""
    described = path.endswith(DESCRIBED)
    path = path.removesuffix(DESCRIBED)
    if is_image_id(path):
        return ImagePath(image_id=path, described=described)
    stem, dot, extension = path.rpartition(".")
    image_id, _, text = (stem if dot else path).partition("/")
    if not is_image_id(image_id) and _is_plan(path):
        raise BadRequest("A plan without an id is for a remote picture.", expected="?url= after it, or an id before it")
    checked_id(image_id)
    if not EXTENSION.fullmatch(extension):
        raise _no_format(extension if dot else text)
    return ImagePath(image_id=image_id, plan=parse(text or NOTHING, extension), extension=extension, described=described)


@lru_cache(maxsize=1024)
def parse_remote(path: str) -> ImagePath:
    """What stands behind `/img/` where the query has a `url`: BadRequest when it is an id, PlanError when it is no plan."""
    described = path.endswith(DESCRIBED)
    path = path.removesuffix(DESCRIBED)
    if is_image_id(path.partition("/")[0].partition(".")[0]):
        raise BadRequest("A path with an id takes no `url`: a picture is stored or remote, not both.", expected="an id or a url")
    plan = parse_posted(path)
    return ImagePath(plan=plan, extension=path.rpartition(".")[2], described=described)


@lru_cache(maxsize=4096)
def parse_posted(path: str) -> Plan:
    """`{plan}.{ext}`, which is all that stands behind `/transform/`; or PlanError."""
    text, dot, extension = path.rpartition(".")
    if not text or not EXTENSION.fullmatch(extension):
        raise _no_format(extension if dot else path)
    return parse(text, extension)


def posted_path_of(plan: Plan) -> str:
    return f"{POSTED_PREFIX}{plan}.{plan.format}"


def _is_plan(path: str) -> bool:
    try:
        parse_posted(path)
    except PlanError:
        return False
    return True


def _no_format(token: str) -> PlanError:
    return PlanError("The path does not end in a format.", token=token[:60], expected="an extension like .webp after the plan")
