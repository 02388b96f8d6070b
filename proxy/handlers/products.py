"""Products: their details arrive here and commit the pictures that were uploaded before."""

import hashlib
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from catalog.errors import NotFound
from catalog.records import ProductDraft, ProductRecord, new_product_id
from proxy import pages
from proxy.bodies import checked, form, json_body, media_type
from proxy.handlers.common import answer, services, shell
from proxy.handlers.queries import ProductsQuery, next_url, query
from proxy.http import prefers
from proxy.schemas import DeletedOut, ProductIn, ProductOut, ProductPatch, ProductsOut
from services.commit import create_product
from services.erase import delete_product, update_product
from services.errors import BadRequest

MAX_KEY = 255
FORM = "application/x-www-form-urlencoded"


async def create(request: Request) -> Response:
    by_form = media_type(request) == FORM
    wanted = await _form_product(request) if by_form else await json_body(request, ProductIn)
    product, created = await create_product(services(request), _draft(request, wanted), _distinct(wanted.images))
    location = f"/products/{product.id}"
    if by_form:
        return RedirectResponse(location, 303)
    return answer((await presented(request, [product]))[0], 201 if created else 200, location=location)


async def _form_product(request: Request) -> ProductIn:
    fields = await form(request)
    values = {name: fields[name] for name in ("name", "price", "currency") if fields.get(name)}
    return checked(ProductIn, {**values, "images": fields.getlist("images")})


def _draft(request: Request, wanted: ProductIn) -> ProductDraft:
    currency = wanted.currency or shell(request).settings.currency
    digest = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
    return ProductDraft(
        id=new_product_id(),
        name=wanted.name,
        price=wanted.price,
        currency=currency,
        idempotency_key=idempotency_key(request.headers.get("idempotency-key")),
        request_digest=digest,
    )


def idempotency_key(header: str | None) -> str | None:
    """The client's own name for a request, which makes a repeated one harmless."""
    if header is not None and not (0 < len(header) <= MAX_KEY and header.isascii() and header.isprintable()):
        raise BadRequest("The Idempotency-Key is not usable.", expected=f"1 to {MAX_KEY} printable ASCII characters")
    return header


def _distinct(image_ids: Sequence[str]) -> list[str]:
    """In order, each once: a product shows a picture once."""
    if len(set(image_ids)) < len(image_ids):
        raise BadRequest("images: the same id stands twice.", expected="each image once")
    return list(image_ids)


async def presented(request: Request, products: Sequence[ProductRecord]) -> list[ProductOut]:
    variants = await services(request).catalog.variants([image.id for product in products for image in product.images])
    return [shell(request).presenter.product(product, variants) for product in products]


async def listing(request: Request) -> Response:
    asked = query(request, ProductsQuery)
    page = await services(request).catalog.list_products(
        limit=asked.limit, cursor=asked.cursor, name=asked.name, min_price=asked.min_price, max_price=asked.max_price
    )
    return answer(ProductsOut(products=await presented(request, page.items), next=next_url(request, page.next_cursor)))


async def show(request: Request) -> Response:
    product_id = request.path_params["id"]
    product = await services(request).catalog.product(product_id)
    if product is None:
        raise NotFound(f"There is no product {product_id}.", product=product_id)
    shown = (await presented(request, [product]))[0]
    if prefers(request.headers.get("accept"), "application/json", "text/html") == "text/html":
        return pages.render("shown.html", product=shown)
    return answer(shown, vary="Accept")


async def change(request: Request) -> Response:
    wanted = await json_body(request, ProductPatch)
    changes = {name: value for name, value in wanted if name != "images" and value is not None}
    image_ids = None if wanted.images is None else _distinct(wanted.images)
    product = await update_product(services(request), request.path_params["id"], changes=changes, image_ids=image_ids)
    return answer((await presented(request, [product]))[0])


async def delete(request: Request) -> Response:
    return answer(DeletedOut(images=await delete_product(services(request), request.path_params["id"])))
