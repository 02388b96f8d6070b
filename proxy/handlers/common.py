"""What handlers share: their collaborators, and answers made of schemas."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from proxy.admission import Admission
from proxy.http import NO_STORE, prefers
from proxy.presenter import Presenter
from proxy.schemas import DeletedOut, ErasedOut
from proxy.settings import Settings
from services.container import Services
from services.erase import Erasure
from services.flights import Flights
from services.ids import checked_id


@dataclass
class Lifecycle:
    """What changes about a running process: whether it is about to end. `trials` are the renders that show whether it still can."""

    draining: bool = False
    trials: Flights[None] = field(default_factory=Flights)


@dataclass(frozen=True, kw_only=True)
class Shell:
    """What the application keeps from start to end; Starlette's lifespan puts it on every request."""

    services: Services
    settings: Settings
    admission: Admission
    presenter: Presenter
    lifecycle: Lifecycle


def shell(request: Request) -> Shell:
    found: Shell = request.state.shell
    return found


def services(request: Request) -> Services:
    return shell(request).services


def image_id(request: Request) -> str:
    """The image that the path names as `id`."""
    return checked_id(request.path_params["id"])


def wants_page(request: Request) -> bool:
    """Whether somebody sits there with a browser."""
    return prefers(request.headers.get("accept"), "application/json", "text/html") == "text/html"


def receipts(erasures: Iterable[Erasure]) -> list[ErasedOut]:
    return [ErasedOut(id=erasure.image_id, objects=erasure.objects, edges=dict(erasure.edges), done=erasure.done) for erasure in erasures]


def deleted(erasures: Sequence[Erasure]) -> Response:
    return answer(DeletedOut(images=[erasure.image_id for erasure in erasures], erased=receipts(erasures)))


def answer(model: BaseModel, status: int = 200, **headers: str) -> Response:
    """JSON that is true now and may not be tomorrow."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(model.model_dump_json(), status, {"cache-control": NO_STORE, **named}, media_type="application/json")
