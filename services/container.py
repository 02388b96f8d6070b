"""The collaborators of every use case, made once in proxy/wiring.py."""

from asyncio import Lock
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from catalog.repository import Catalog
from services.broker import Tasks
from services.edges import Edges
from services.flights import Flights
from services.memory import Memory, Sought
from services.origins.fetch import Origins
from services.values import Built, KnownImage
from storage.base import ObjectStore, Staging
from storage.leases import Leases
from storage.quarantine import Quarantine
from transforms.geometry import Box
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.pool import RenderPool


@dataclass(frozen=True, kw_only=True)
class Services:
    """`warm` lists the variants that are built after each commit; `auto_order` is the server's order for the format `auto`.

    `presets` are the plans that have a name. `variants_per_image` is the most that untrusted callers may have made; 0 for any number.
    `remote_ttl` is how long a remote picture outlives the last look at its source. `facts` is held while facts of a stored image are
    written anew, and `building` counts, by image, the variants that untrusted callers are having made here.
    """

    store: ObjectStore
    staging: Staging
    quarantine: Quarantine
    leases: Leases
    origins: Origins
    edges: Edges
    catalog: Catalog
    pool: RenderPool
    tasks: Tasks
    memory: Memory
    limits: Limits
    warm: tuple[Plan, ...]
    auto_order: tuple[str, ...]
    presets: Mapping[str, Plan] = field(default_factory=dict)
    variants_per_image: int = 0
    remote_ttl: timedelta = timedelta(days=30)
    flights: Flights[Built] = field(default_factory=Flights)
    lookups: Flights[KnownImage] = field(default_factory=Flights)
    boxes: Flights[Box] = field(default_factory=Flights)
    remotes: Flights[Sought] = field(default_factory=Flights)
    facts: Lock = field(default_factory=Lock)
    building: Counter[str] = field(default_factory=Counter)
