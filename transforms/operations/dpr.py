"""dpr: multiply the lengths of a stage, for screens with several device pixels to a CSS pixel."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from transforms.geometry import Size
from transforms.operation import Setting, Stage, param, register
from transforms.params import Number


@register
@dataclass(frozen=True, kw_only=True)
class DevicePixelRatio(Setting):
    dpr: Decimal = param(
        Number(Decimal(1), Decimal(4), places=1), default=Decimal(1), summary="multiply lengths by 1 to 4", example="w128,dpr2"
    )

    def resolved(self, size: Size, stage: Stage) -> Self | None:
        """Nothing: who uses it has multiplied by it."""
        return None
