"""The collaborators of every use case, made once in proxy/wiring.py."""

from asyncio import Lock
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.repository import Catalog
from services.broker import Tasks
from services.flights import Flights
from services.memory import Memory
from services.values import Built, KnownImage
from storage.base import ObjectStore, Staging
from storage.quarantine import Quarantine
from transforms.geometry import Box
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.pool import RenderPool


@dataclass(frozen=True, kw_only=True)
class Services:
    """`warm` lists the variants that are built after each commit; `auto_order` is the server's order for the format `auto`.

    `presets` are the plans that have a name. `facts` is held while facts of a stored image are written anew.
    """

    store: ObjectStore
    staging: Staging
    quarantine: Quarantine
    catalog: Catalog
    pool: RenderPool
    tasks: Tasks
    memory: Memory
    limits: Limits
    warm: tuple[Plan, ...]
    auto_order: tuple[str, ...]
    presets: Mapping[str, Plan] = field(default_factory=dict)
    flights: Flights[Built] = field(default_factory=Flights)
    lookups: Flights[KnownImage] = field(default_factory=Flights)
    boxes: Flights[Box] = field(default_factory=Flights)
    facts: Lock = field(default_factory=Lock)
