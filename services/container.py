"""The collaborators of every use case, made once in proxy/wiring.py."""

from dataclasses import dataclass, field

from catalog.repository import Catalog
from services.broker import Tasks
from services.flights import Flights
from services.memory import Memory
from services.values import Built, KnownImage
from storage.base import ObjectStore, Staging
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.pool import RenderPool


@dataclass(frozen=True, kw_only=True)
class Services:
    """`warm` lists the variants that are built after each commit; `auto_order` is the server's order for the format `auto`."""

    store: ObjectStore
    staging: Staging
    catalog: Catalog
    pool: RenderPool
    tasks: Tasks
    memory: Memory
    limits: Limits
    warm: tuple[Plan, ...]
    auto_order: tuple[str, ...]
    flights: Flights[Built] = field(default_factory=Flights)
    lookups: Flights[KnownImage] = field(default_factory=Flights)
