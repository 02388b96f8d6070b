"""The paths of pictures, read and written: `/img/{id}`, `/img/{id}.{ext}`, `/img/{id}/{plan}.{ext}`, each also with `.json` (urls.md)."""

import re
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

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
    """`plan` is None for the original. `extension` is as it was written: `jpeg` stays `jpeg`. `described`: JSON is asked for."""

    image_id: str
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

    def location_of(self, resolved: Plan) -> str | None:
        """The canonical path of what this path came down to on its image, when that is another path."""
        canonical = self._path(str(resolved), resolved.format)
        return canonical if canonical != self.accepted else None

    def _path(self, plan: str, extension: str) -> str:
        return path_of(self.image_id, plan, extension) + (DESCRIBED if self.described else "")


def path_of(image_id: str, plan: str = NOTHING, extension: str = "") -> str:
    """The path of a variant, or of the original when there is no extension."""
    stem = PREFIX + image_id if plan == NOTHING else f"{PREFIX}{image_id}/{plan}"
    return f"{stem}.{extension}" if extension else stem


@lru_cache(maxsize=8192)
def parse_path(path: str) -> ImagePath:
    """What stands behind `/img/`. UnknownImage when it does not begin with an id, PlanError when the rest is no plan."""
    described = path.endswith(DESCRIBED)
    path = path.removesuffix(DESCRIBED)
    if is_image_id(path):
        return ImagePath(image_id=path, described=described)
    stem, dot, extension = path.rpartition(".")
    image_id, _, text = (stem if dot else path).partition("/")
    checked_id(image_id)
    if not EXTENSION.fullmatch(extension):
        raise _no_format(extension if dot else text)
    return ImagePath(image_id=image_id, plan=parse(text or NOTHING, extension), extension=extension, described=described)


@lru_cache(maxsize=4096)
def parse_posted(path: str) -> Plan:
    """What stands behind `/transform/`: `{plan}.{ext}`, or PlanError."""
    text, dot, extension = path.rpartition(".")
    if not text or not EXTENSION.fullmatch(extension):
        raise _no_format(extension if dot else path)
    return parse(text, extension)


def posted_path_of(plan: Plan) -> str:
    return f"{POSTED_PREFIX}{plan}.{plan.format}"


def _no_format(token: str) -> PlanError:
    return PlanError("The path does not end in a format.", token=token[:60], expected="an extension like .webp after the plan")
