"""What can be wrong with the catalog, or with what is asked of it.

CatalogError(ProgImageError)
├── NotFound                  no such product or image: product, images
├── ImageInUse                a product still refers to the image: products
├── ImageBusy                 the image is being deleted at this moment, try again: images
├── IdempotencyConflict       the key was used before for another request
├── BadCursor                 the cursor of a page is not one that we gave
└── CatalogUnavailable        the database refused, failed or was too slow
"""

from transforms.errors import ProgImageError


class CatalogError(ProgImageError):
    slug = "catalog"


class NotFound(CatalogError):
    slug = "not-found"


class ImageInUse(CatalogError):
    slug = "image-in-use"


class ImageBusy(CatalogError):
    slug = "image-busy"


class IdempotencyConflict(CatalogError):
    slug = "idempotency-conflict"


class BadCursor(CatalogError):
    slug = "bad-cursor"


class CatalogUnavailable(CatalogError):
    slug = "catalog-unavailable"
