"""Products: their details arrive here and commit the pictures that were uploaded before."""

import hashlib
import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from catalog.errors import BadCursor, IdempotencyConflict, NotFound
from catalog.records import ProductDraft, ProductRecord, new_product_id
from proxy import pages
from proxy.bodies import checked, form, json_body, media_type
from proxy.endpoint import Body, Endpoint, Parameter, Reply
from proxy.handlers.common import answer, deleted, receipts, services, shell, wants_page
from proxy.handlers.contract import ACCEPT, AWAY, CATALOG, COMMIT, HTML, NEVER_CACHED, json_reply, page_parameters
from proxy.handlers.queries import ProductsQuery, next_url, query
from proxy.schemas import DeletedOut, ProductChangedOut, ProductIn, ProductOut, ProductPatch, ProductsOut
from services.commit import create_product, update_product
from services.erase import delete_product
from services.errors import BadRequest, BodyTooLarge, UnsupportedBody

MAX_KEY = 255
PRODUCT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
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


def path_id(request: Request) -> str:
    """The product that the path names; what cannot be an id is not found without asking the database."""
    product_id: str = request.path_params["id"]
    if not PRODUCT_ID.fullmatch(product_id):
        raise NotFound("There is no such product: an id is a UUID in lower case.")
    return product_id


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
    product = await services(request).catalog.require_product(path_id(request))
    shown = (await presented(request, [product]))[0]
    if wants_page(request):
        return pages.render("shown.html", product=shown, thumbnail=shell(request).presenter.thumbnail)
    return answer(shown, vary="Accept")


async def change(request: Request) -> Response:
    wanted = await json_body(request, ProductPatch)
    product, erasures = await update_product(
        services(request),
        path_id(request),
        name=wanted.name,
        price=wanted.price,
        currency=wanted.currency,
        image_ids=None if wanted.images is None else _distinct(wanted.images),
    )
    shown = (await presented(request, [product]))[0]
    return answer(ProductChangedOut(**dict(shown), erased=receipts(erasures)))


async def delete(request: Request) -> Response:
    return deleted(await delete_product(services(request), path_id(request)))


PRODUCT_BODY = Body(content={"application/json": ProductIn, "application/x-www-form-urlencoded": ProductIn})
ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/products",
        handler=create,
        tag="products",
        summary="Make a product of staged pictures",
        body=PRODUCT_BODY,
        description="Commits its pictures to the store. 201 means that all of it is stored durably.",
        parameters=(Parameter(name="Idempotency-Key", place="header", description="makes a repeated request harmless"),),
        responses={
            201: json_reply(ProductOut, "The new product.", Location="the product"),
            200: json_reply(ProductOut, "The product that an earlier request with this key made.", Location="the product"),
            303: Reply(description="To the product's page: the answer to a form.", headers={"Location": "the product"}),
        },
        errors=(BadRequest, BodyTooLarge, UnsupportedBody, IdempotencyConflict, *COMMIT),
    ),
    Endpoint(
        method="GET",
        path="/products",
        handler=listing,
        tag="products",
        summary="List products, newest first",
        parameters=page_parameters(
            Parameter(name="name", description="a part of the name, in any case"),
            Parameter(name="min_price", description="the lowest price", example="10.00"),
            Parameter(name="max_price", description="the highest price", example="20.00"),
        ),
        responses={200: json_reply(ProductsOut, "A page of products.")},
        errors=(BadRequest, BadCursor, *CATALOG),
    ),
    Endpoint(
        method="GET",
        path="/products/{id}",
        handler=show,
        tag="products",
        summary="A product",
        parameters=(ACCEPT,),
        responses={
            200: Reply(
                description="The product.", content={"application/json": ProductOut, **HTML}, headers={**NEVER_CACHED, "Vary": "Accept"}
            )
        },
        errors=(NotFound, *CATALOG),
    ),
    Endpoint(
        method="PATCH",
        path="/products/{id}",
        handler=change,
        tag="products",
        summary="Change a product",
        description="What is left out stays. `images` is the whole list: new ones are committed, and what nothing refers to is deleted.",
        body=Body(content={"application/json": ProductPatch}),
        responses={200: json_reply(ProductChangedOut, "The product as it is now.")},
        errors=(BadRequest, BodyTooLarge, UnsupportedBody, NotFound, *COMMIT),
    ),
    Endpoint(
        method="DELETE",
        path="/products/{id}",
        handler=delete,
        tag="products",
        summary="Delete a product",
        responses={200: json_reply(DeletedOut, "It is gone, and these images with it.")},
        errors=(NotFound, *AWAY),
    ),
)
