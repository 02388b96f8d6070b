"""Made-up contents of a catalog, and the short ways of getting them in."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from itertools import count

from catalog.records import ImageRecord, Original, ProductDraft, ProductRecord, VariantRecord, new_product_id
from catalog.repository import Catalog
from transforms.geometry import Size
from transforms.values import Facts, Placeholders

numbers = count()


def an_original(name: str | None = None, *, image_format: str = "jpg", place: str | None = None) -> Original:
    image_id = (name or f"image{next(numbers)}").ljust(26, "a")
    return Original(
        id=image_id,
        facts=Facts(format=image_format, width=4032, height=3024, frames=1, orientation=6, alpha=False),
        bytes=3_000_000_000,
        sha256=hashlib.sha256(image_id.encode()).hexdigest(),
        place=place or f"originals/images/{image_id}.jpg",
    )


def a_draft(*, name: str = "Teapot", price: str = "12.50", key: str | None = None, digest: str | None = None) -> ProductDraft:
    return ProductDraft(id=new_product_id(), name=name, price=Decimal(price), currency="EUR", idempotency_key=key, request_digest=digest)


def a_variant(image_id: str, plan: str = "w256", *, etag: str = "etag") -> VariantRecord:
    return VariantRecord(image_id=image_id, plan=plan, format="webp", size=Size(256, 192), bytes=9_000, etag=etag)


def some_placeholders(thumbhash: str = "k0oGLQaSVsN0BVhn2oq2Z5SQUQcZ") -> Placeholders:
    return Placeholders(thumbhash=thumbhash, colour="#f5c542", data_uri="data:image/webp;base64,AAAA")


async def a_stored_image(catalog: Catalog, original: Original | None = None) -> ImageRecord:
    """A ready image that stands by itself."""
    original = original or an_original()
    await catalog.confirm(await catalog.reserve([original], standalone=True))
    image = await catalog.image(original.id)
    assert image is not None
    return image


async def a_product(catalog: Catalog, originals: Sequence[Original] = (), draft: ProductDraft | None = None) -> ProductRecord:
    """A ready product that shows these images."""
    draft = draft or a_draft()
    await catalog.confirm(await catalog.reserve(originals, draft=draft))
    return await catalog.require_product(draft.id)


async def state_of(catalog: Catalog, image_id: str) -> str | None:
    image = await catalog.image(image_id)
    return image.state if image else None


def ids(images: Sequence[ImageRecord]) -> list[str]:
    return [image.id for image in images]
