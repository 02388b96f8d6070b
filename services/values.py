"""The values that use cases hand to each other and to the shell."""

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self

from catalog.records import ImageRecord
from storage.base import StagedImage
from transforms.geometry import Size
from transforms.operations.gravity import Point
from transforms.values import Facts

ETAG_LENGTH = 32


@dataclass(frozen=True, kw_only=True)
class KnownImage:
    """`place` is the key of the original, or None while it is only staged. `bytes` and the hex `sha256` are the original's.

    `focal` is the point that crops by `g_focal` keep; `warmed` tells that mezzanine and placeholders have been made.
    """

    id: str
    facts: Facts
    bytes: int
    sha256: str
    place: str | None = None
    focal: Point | None = None
    warmed: bool = False

    @property
    def staged(self) -> bool:
        return self.place is None

    @property
    def etag(self) -> str:
        """Of the original."""
        return self.sha256[:ETAG_LENGTH]

    def to_json(self) -> str:
        """What is kept in the store: not whether it was warmed, which comes later."""
        focal = [str(share) for share in self.focal] if self.focal else None
        values = {**asdict(self), "facts": self.facts.to_json(), "focal": focal}
        return json.dumps({name: value for name, value in values.items() if name != "warmed"}, sort_keys=True)

    @classmethod
    def from_json(cls, data: str) -> Self:
        values: dict[str, Any] = json.loads(data)
        focal = Point(*map(Decimal, values["focal"])) if values.get("focal") else None
        return cls(**{**values, "facts": Facts.from_json(values["facts"]), "focal": focal})

    @classmethod
    def from_record(cls, record: ImageRecord) -> Self:
        return cls(
            id=record.id,
            facts=record.facts,
            bytes=record.bytes,
            sha256=record.sha256,
            place=record.place,
            focal=record.focal,
            warmed=record.placeholders is not None,
        )

    @classmethod
    def from_staged(cls, staged: StagedImage) -> Self:
        return cls(id=staged.image_id, facts=Facts.from_json(dict(staged.facts)), bytes=staged.bytes, sha256=staged.sha256)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An encoded variant: the size of a frame in pixels, and the hex digest of its bytes."""

    data: bytes
    size: Size
    format: str
    sha256: str

    @property
    def etag(self) -> str:
        return self.sha256[:ETAG_LENGTH]


Timings = tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a flight brings home. `how` it came: `hit` (the store had it), `miss` (built) or `coalesced` (another process built it)."""

    variant: Variant
    how: str
    timings: Timings = ()
