"""The named transforms of the earlier interfaces: a name and the arguments of a query become the text of a plan.

Everything else is the plan's: what its values may be, what they mean, what is impossible.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import ImmutableMultiDict

from proxy.errors import NoSuchAddress
from services.errors import BadRequest
from transforms.formats import FORMATS
from transforms.grammar import parse
from transforms.operation import OutputOption, registry
from transforms.plan import AUTO, NOTHING, Plan

NUMBER = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,2})?", re.ASCII)
FORMAT = ("format", "ext")
# What caches and campaigns add to any URL.
IGNORED = re.compile(r"v|utm_\w{1,20}", re.ASCII)
MAX_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Token:
    """One parameter of a plan, whose values are `arguments` of the query, each under one of its names.

    `default` has their values when they are not given: "" for what must be given. When none is given, what is `optional` is left out.
    """

    parameter: str
    arguments: tuple[tuple[str, ...], ...] = ()
    default: tuple[str, ...] = ()
    optional: bool = False

    def text(self, query: Mapping[str, str], format: str) -> str:
        """As it stands in the plan; empty where it is left out."""
        given = [next((query[name] for name in names if query.get(name)), "") for names in self.arguments]
        if not any(given) and (self.optional or self._unknown_to(format)):
            return ""
        values = [value or usual for value, usual in zip(given, self.default or [""] * len(given), strict=True)]
        for names, value in zip(self.arguments, values, strict=True):
            if not value:
                raise self._refusal(names, f"{names[0]!r} is missing")
        return self._written(values)

    def _unknown_to(self, format: str) -> bool:
        """Nobody asked for it by name: a format that has no such option goes without."""
        kind = registry()[self.parameter]
        return issubclass(kind, OutputOption) and format != AUTO and format not in kind.formats

    def _written(self, values: list[str]) -> str:
        convertor = registry()[self.parameter].parameters()[self.parameter].convertor
        if len(values) == 1 and NUMBER.fullmatch(values[0]):
            with suppress(ValueError):
                return self.parameter + convertor.format(convertor.parse(values[0], ()))
        with suppress(ValueError):
            return self.parameter + convertor.format(convertor.parse(None, tuple(values)))
        names = tuple(names[0] for names in self.arguments)
        raise self._refusal(names, f"{','.join(names)}={','.join(values)[:MAX_SHOWN]} will not do")

    def _refusal(self, names: Iterable[str], reason: str) -> BadRequest:
        expected = registry()[self.parameter].parameters()[self.parameter].convertor.expected
        # What joins a value to a name in a plan is no part of it in a query.
        plain = re.sub(r"(?<= )_| after an underscore", "", expected)
        return BadRequest(f"{reason}: expected {plain}.", argument=next(iter(names)), expected=plain)


def _one(parameter: str, *names: str, default: str = "") -> Token:
    return Token(parameter=parameter, arguments=(names,), default=(default,))


def _may(parameter: str, *names: str) -> Token:
    return Token(parameter=parameter, arguments=(names,), optional=True)


def _always(parameter: str) -> Token:
    return Token(parameter=parameter)


W, H, FIT, G = _may("w", "w", "width"), _may("h", "h", "height"), _may("fit", "fit"), _may("g", "g", "gravity")
CROP = Token(parameter="crop", arguments=(("x", "left"), ("y", "top"), ("w", "width"), ("h", "height")), default=("0", "0", "", ""))

NAMED: Mapping[str, tuple[Token, ...]] = {
    "thumbnail": (_one("w", "w", "width", default="128"), H, FIT, G),
    "resize": (W, H, FIT, G),
    "crop": (CROP,),
    "rotate": (_one("rotate", "angle", "degrees", default="90"),),
    "flip": (_one("flip", "direction", default="h"),),
    "compress": (_one("q", "quality", "q", default="60"), _always("palette")),
    "convert": (),
    "grayscale": (_always("gray"),),
    "greyscale": (_always("gray"),),
    "sepia": (_always("sepia"),),
    "invert": (_always("invert"),),
    "normalize": (_always("normalize"),),
    "brightness": (_one("brightness", "factor"),),
    "contrast": (_one("contrast", "factor"),),
    "saturate": (_one("saturate", "factor"),),
    "hue": (_one("hue", "angle", "degrees"),),
    "gamma": (_one("gamma", "gamma"),),
    "tint": (_one("tint", "colour", "color"),),
    "threshold": (_one("threshold", "level", default="128"),),
    "posterize": (_one("posterize", "levels", default="4"),),
    "blur": (_one("blur", "sigma", "radius", default="5"),),
    "sharpen": (_one("sharpen", "sigma", default="1"),),
    "median": (_one("median", "size", default="3"),),
    "pixelate": (_one("pixelate", "size", default="10"),),
    "edge": (_always("edge"),),
    "emboss": (_always("emboss"),),
    "opacity": (_one("opacity", "opacity"),),
    "round": (_one("radius", "radius", default="max"),),
    "pad": (_one("pad", "size", default="10"), _may("bg", "bg", "background")),
    "mask": (_one("mask", "shape", default="circle"),),
}


def plan_of(name: str, query: Mapping[str, str], source: str) -> Plan:
    """The plan that a name and its arguments stand for, in the format of the source unless they name one.

    NoSuchAddress for a name that there is not, BadRequest that names the argument, PlanError where the format has no such option.
    """
    tokens = _tokens(name)
    _check_names(name, query, tokens)
    format = next((query[key] for key in FORMAT if query.get(key)), source if FORMATS[source].writable else "png").lower()
    texts = [text for token in tokens if (text := token.text(query, format))]
    if tokens and not texts and not any(token.default or not token.arguments for token in tokens):
        raise BadRequest(f"{name!r} takes one of {_listed(tokens)} at least.", expected=_names(tokens))
    return parse(",".join(texts) or NOTHING, format)


def _tokens(name: str) -> tuple[Token, ...]:
    if name in NAMED:
        return NAMED[name]
    nearest = next(iter(difflib.get_close_matches(name[:MAX_SHOWN], NAMED, n=1)), None)
    hint = f" Did you mean {nearest!r}?" if nearest else ""
    raise NoSuchAddress(
        f"There is no transform {name[:MAX_SHOWN]!r}; there are {', '.join(NAMED)}.{hint}", expected=list(NAMED), nearest=nearest
    )


def _check_names(name: str, query: Mapping[str, str], tokens: tuple[Token, ...]) -> None:
    """An argument that is not known, or all but one of the same name, would be left out in silence, and the picture be another one."""
    known = _names(tokens)
    given = [argument for argument, _ in query.multi_items()] if isinstance(query, ImmutableMultiDict) else list(query)
    for names in (*(names for token in tokens for names in token.arguments), FORMAT):
        if len(said := [argument for argument in given if argument in names]) > 1:
            raise BadRequest(f"{'&'.join(said)[:MAX_SHOWN]}: give {said[0]!r} once.", argument=said[0], expected=f"{said[0]} once")
    for argument in query:
        if argument not in known and not IGNORED.fullmatch(argument):
            shown = argument[:MAX_SHOWN]
            raise BadRequest(f"{name!r} has no argument {shown!r}; it takes {', '.join(known)}.", argument=shown, expected=known)


def _names(tokens: tuple[Token, ...]) -> list[str]:
    return [*(name for token in tokens for names in token.arguments for name in names), *FORMAT]


def _listed(tokens: tuple[Token, ...]) -> str:
    return ", ".join(names[0] for token in tokens for names in token.arguments)


def arguments() -> dict[str, list[str]]:
    """The names of all arguments, each with the transforms that take it."""
    found: dict[str, list[str]] = {}
    for name, tokens in NAMED.items():
        for token in tokens:
            for names in token.arguments:
                found.setdefault(names[0], []).append(name)
    return found
