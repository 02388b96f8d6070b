"""The one table from an error to its HTTP answer, and the answers: RFC 9457 problems.

RouteError(ProgImageError)
├── NoSuchAddress         no route has this path
├── MethodNotAllowed      the path has other methods: allowed
├── SlowHeaders           the request line and headers come too slowly
├── SlowBody              the body of the request comes too slowly: received
├── HeadersTooLarge       the request line and headers are longer than we read: maximum
├── UriTooLong            path and query are longer than we read: maximum
├── Stopping              the server ends before the request did
└── InternalError         a bug of ours

The rest of the tree is in proxy/http.py (Unsatisfiable),
transforms/errors.py, storage/base.py, catalog/errors.py and services/errors.py. docs/errors.md is made from
the table (proxy/reference.py).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from catalog import errors as catalog
from proxy import metrics, pages
from proxy.http import NO_STORE, Unsatisfiable, prefers
from proxy.logs import request_id
from services import errors as requests
from storage import base as storage
from transforms import errors as pictures
from transforms.errors import ProgImageError
from transforms.threads import CANNOT_START, no_threads

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
PROBLEMS = "/problems/"
# What is not there now may be soon: an upload is viewed right after it arrives.
BRIEFLY = "max-age=60"


class RouteError(ProgImageError):
    slug = "route"


class NoSuchAddress(RouteError):
    slug = "no-such-address"


class MethodNotAllowed(RouteError):
    slug = "method-not-allowed"


class SlowHeaders(RouteError):
    slug = "slow-headers"


class SlowBody(RouteError):
    slug = "slow-body"


class HeadersTooLarge(RouteError):
    slug = "headers-too-large"


class UriTooLong(RouteError):
    slug = "uri-too-long"


class Stopping(RouteError):
    slug = "stopping"


class InternalError(RouteError):
    slug = "internal-error"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`meaning` is for the reader of the documentation. `retry` bounds the seconds of Retry-After, drawn so that a crowd spreads."""

    status: int
    title: str
    meaning: str
    retry: tuple[int, int] | None = None

    @property
    def cache_control(self) -> str:
        return BRIEFLY if self.status in (404, 410) else NO_STORE


def _later(title: str, meaning: str, retry: tuple[int, int] = (1, 5)) -> Answer:
    return Answer(status=503, title=title, meaning=meaning, retry=retry)


ANSWERS: Mapping[type[ProgImageError], Answer] = {
    pictures.PlanError: Answer(
        status=400,
        title="Not a plan",
        meaning="The URL's plan has a token that is not in the grammar: `token`, what was `expected`, and the `nearest` known name.",
    ),
    requests.BadRequest: Answer(
        status=400, title="Bad request", meaning="A field, a parameter or the body has the wrong shape: `errors` lists every field."
    ),
    requests.EmptyUpload: Answer(
        status=400, title="No picture in the upload", meaning="Send the bytes of a picture, or a form with `image` parts."
    ),
    catalog.BadCursor: Answer(status=400, title="Bad cursor", meaning="Take `next` of a page as it is, without changing it."),
    requests.RemoteOff: Answer(status=403, title="Remote pictures are off", meaning="This server fetches no pictures from other hosts."),
    requests.BadSourceUrl: Answer(
        status=400, title="Not a source", meaning="`url` is not the percent-encoded http(s) address of a picture: `expected` says what is."
    ),
    requests.SourceNotAllowed: Answer(
        status=403, title="Source not allowed", meaning="This server does not fetch from this host, address or port."
    ),
    requests.BadSignature: Answer(
        status=403,
        title="Not signed",
        meaning="The URL must be signed and is not, or `s` is not the signature of this URL: one changed character is enough.",
    ),
    NoSuchAddress: Answer(status=404, title="No such address", meaning="No route has this path; `/openapi.json` lists those that exist."),
    requests.UnknownImage: Answer(status=404, title="No such image", meaning="No image with this id is staged or stored."),
    catalog.NotFound: Answer(status=404, title="Not found", meaning="No product or image with this id exists."),
    storage.NotStored: Answer(status=404, title="Nothing stored", meaning="Nothing is stored under this name, or not any more."),
    requests.SourceMissing: Answer(status=404, title="No such source", meaning="The host of `url` says that there is no such picture."),
    MethodNotAllowed: Answer(
        status=405, title="Method not allowed", meaning="The header `Allow` and `allowed` list what this address takes."
    ),
    SlowHeaders: Answer(
        status=408,
        title="Headers too slow",
        meaning="The request line and all headers must be there fifteen seconds after the first byte of them.",
    ),
    SlowBody: Answer(
        status=408,
        title="Body too slow",
        meaning="After fifteen seconds of silence, or of less than a kilobyte a second, nobody waits for the rest: send it again.",
    ),
    requests.UncommittableImage: Answer(
        status=409,
        title="Image never uploaded",
        meaning="A product names an `image` that was not uploaded: upload it first, then try again.",
    ),
    catalog.ImageInUse: Answer(status=409, title="Image in use", meaning="The image belongs to `products`: it goes with the last of them."),
    catalog.IdempotencyConflict: Answer(
        status=409, title="Idempotency key used before", meaning="The same `Idempotency-Key` came with another request: take a new key."
    ),
    storage.OffsetMismatch: Answer(
        status=409,
        title="Wrong offset",
        meaning="The pieces of an upload, which only the server makes, did not follow each other: send the whole picture again.",
    ),
    requests.ExpiredSignature: Answer(status=410, title="URL expired", meaning="The signed URL was good until `exp`: ask for a new one."),
    requests.ExpiredImage: Answer(status=410, title="Upload expired", meaning="It was not committed in time: upload the picture again."),
    pictures.TooManyBytes: Answer(status=413, title="Picture too large", meaning="It has more bytes than `maximum`."),
    requests.BodyTooLarge: Answer(status=413, title="Body too large", meaning="The whole request has more bytes than `maximum`."),
    UriTooLong: Answer(status=414, title="URI too long", meaning="Path and query together have more bytes than `maximum`."),
    pictures.UnsupportedFormat: Answer(
        status=415,
        title="Format not accepted",
        meaning="The bytes are of a type, `detected`, that is not among `accepted`; `setting` turns it on where that is possible.",
    ),
    requests.UnsupportedBody: Answer(
        status=415, title="Body of the wrong type", meaning="This address takes other media types or encodings: `expected`."
    ),
    Unsatisfiable: Answer(
        status=416, title="Range not satisfiable", meaning="The range begins behind the last byte: `length` is how many there are."
    ),
    pictures.LimitExceeded: Answer(status=422, title="Over a limit", meaning="The picture's `limit` has a `value` above `maximum`."),
    pictures.BrokenImage: Answer(status=422, title="Damaged picture", meaning="Its type is known and its bytes are damaged or cut off."),
    pictures.DecoderCrashed: Answer(status=422, title="Picture cannot be decoded", meaning="The decoder died on it; the server did not."),
    pictures.ImpossibleOutput: Answer(
        status=422,
        title="Plan and picture do not go together",
        meaning="Nothing is left after a crop, or the result would be too large: the sentence says what would do.",
    ),
    pictures.TooMuchWork: Answer(
        status=422,
        title="Too much work",
        meaning="The plan takes longer on this picture than any render may: a smaller result or fewer operations will do.",
    ),
    requests.TooManyVariants: Answer(
        status=429,
        title="Too many variants",
        meaning="Unsigned URLs may have `maximum` variants of an image made, and they have: take one of those, or sign the URL.",
    ),
    HeadersTooLarge: Answer(
        status=431, title="Headers too large", meaning="The request line and the headers together have more bytes than `maximum`."
    ),
    InternalError: Answer(status=500, title="Internal error", meaning="A bug of ours. Report it with the `request_id`."),
    requests.SourceUnavailable: Answer(
        status=502, title="Source unavailable", meaning="The picture cannot be fetched from its host. The server's log has the reason."
    ),
    requests.SourceTooSlow: Answer(status=504, title="Source too slow", meaning="The picture did not arrive from its host in time."),
    requests.SourceBusy: _later("Source busy", "The host of `url` says that it is busy."),
    Stopping: _later("Server is stopping", "It could not wait any longer for this request to end: send it again."),
    pictures.NoThreads: _later("No threads left", "The system lets the server start no more threads: a limit is reached."),
    pictures.RenderUnavailable: _later("Rendering unavailable", "No child process can be kept alive."),
    pictures.PoolBusy: _later("Busy", "Too many renders wait already, or too many pictures of other hosts."),
    pictures.OutOfTime: _later("Out of time", "The request waited so long that it was not begun, or somebody else's was not done."),
    pictures.RenderTimeout: _later("Render took too long", "The render passed its deadline and was stopped."),
    storage.StagingFull: _later(
        "Staging is full", "Uploads that wait to be committed use up their space; nothing of this one was kept.", (5, 30)
    ),
    storage.StorageUnavailable: _later("Storage unavailable", "The object store or Redis does not answer."),
    storage.DigestConflict: _later("Stored bytes differ", "What is stored is not what was sent: nothing was acknowledged."),
    catalog.CatalogUnavailable: _later("Catalog unavailable", "The database does not answer."),
    catalog.ImageBusy: _later("Image is being deleted", "Wait until it is gone, then upload it again.", (1, 1)),
}


class Problem(BaseModel):
    """RFC 9457. Members beside these are facts that the error's own page names."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="a stable path that names the kind of error, and leads to its page")
    title: str
    status: int
    detail: str = Field(description="a sentence for people")
    request_id: str = Field(description="what the server's log calls this request")


def answer_to(kind: type[ProgImageError]) -> Answer:
    """The row of the table; an error without one is a bug, and answered as one."""
    return ANSWERS.get(kind, ANSWERS[InternalError])


def problem_type(kind: type[ProgImageError]) -> str:
    return PROBLEMS + kind.slug


def is_bug(error: Exception) -> bool:
    """Whether somebody should look at it: it is neither an error that we know nor a request that Starlette refused."""
    return isinstance(translated(error), InternalError)


def translated(error: Exception) -> ProgImageError:
    """The border for errors of Starlette and for bugs: whatever comes in, one of our own that has an answer comes out."""
    if isinstance(error, ProgImageError) and type(error) in ANSWERS:
        return error
    if isinstance(error, RuntimeError) and str(error) == CANNOT_START:
        return no_threads()
    if not isinstance(error, HTTPException) or error.status_code >= 500:
        return InternalError("Something went wrong here, and it is not your request.")
    if error.status_code == 404:
        return NoSuchAddress("There is nothing at this address.")
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return MethodNotAllowed(f"This address takes {allowed}.", allowed=allowed)
    return requests.BadRequest(error.detail)


def response_to(error: Exception, accept: str | None) -> Response:
    """The problem, as JSON; as a small page for somebody with a browser."""
    known = translated(error)
    answer = answer_to(type(known))
    if answer.status == 503:
        metrics.shed(known.slug)
        notes, cause = getattr(known, "__notes__", []), repr(known.__cause__)
        log.warning("turned_away", problem=known.slug, detail=str(known), notes=notes, cause=cause)
    problem = _problem(known, answer)
    headers = _headers(known, answer)
    if prefers(accept, PROBLEM_JSON, "text/html") == "text/html":
        return pages.render("problem.html", answer.status, headers, problem=problem)
    return Response(problem.model_dump_json(fallback=str), answer.status, headers, media_type=PROBLEM_JSON)


def _problem(known: ProgImageError, answer: Answer) -> Problem:
    return Problem.model_validate(
        {
            **known.facts,
            "type": problem_type(type(known)),
            "title": answer.title,
            "status": answer.status,
            "detail": str(known),
            "request_id": request_id.get(),
        }
    )


def _headers(known: ProgImageError, answer: Answer) -> dict[str, str]:
    headers = {"cache-control": answer.cache_control, "vary": "Accept"}
    if answer.retry:
        headers["retry-after"] = str(random.randint(*answer.retry))
    if isinstance(known, Unsatisfiable):
        headers["content-range"] = f"bytes */{known.facts['length']}"
    if isinstance(known, SlowBody):
        headers["connection"] = "close"
    if isinstance(known, MethodNotAllowed):
        headers["allow"] = str(known.facts["allowed"])
    return headers
