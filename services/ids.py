"""Ids and the places that they lead to in the store (architecture.md, ids and places)."""

import base64
import re

from services.errors import UnknownImage
from transforms.plan import ENGINE_VERSION
from transforms.shrink import mezzanine_format
from transforms.values import Facts

ID_LENGTH = 26
IMAGE_ID = re.compile(rf"[a-z2-7]{{{ID_LENGTH}}}", re.ASCII)


def image_id(sha256: str) -> str:
    """The first 130 bits of the hex digest of an original, as 26 characters of lower-case base32."""
    return base64.b32encode(bytes.fromhex(sha256)[:17])[:ID_LENGTH].decode().lower()


def is_image_id(text: str) -> bool:
    return IMAGE_ID.fullmatch(text) is not None


def checked_id(text: str) -> str:
    """The id, or UnknownImage: what cannot be one is not found without asking anybody."""
    if not is_image_id(text):
        raise UnknownImage(f"There is no such image: an id is {ID_LENGTH} characters of a to z and 2 to 7.")
    return text


def original_key(image_id: str, extension: str, product_id: str | None, *, remote: bool = False) -> str:
    """Where the first commit puts an original; the catalog remembers it, and it never moves."""
    folder = f"originals/products/{product_id}" if product_id else "originals/remote" if remote else "originals/images"
    return f"{folder}/{image_id}.{extension}"


def facts_key(image_id: str) -> str:
    return f"facts/{image_id}.json"


def variants_prefix(image_id: str) -> str:
    return f"variants/{image_id}/"


def mezzanine_key(image_id: str, facts: Facts) -> str:
    """Among the variants, with which it goes."""
    return f"{variants_prefix(image_id)}mezzanine{ENGINE_VERSION}.{mezzanine_format(facts)}"


def variant_key(image_id: str, digest: str, extension: str) -> str:
    return f"{variants_prefix(image_id)}{digest}.{extension}"
