"""Purge: drop uploads that are stored or whose time is over, and remote pictures whose sources nobody asked for in a long time; then
send again what the outbox still holds.
"""

from datetime import UTC, datetime

from services.container import Services
from services.erase import erase_all
from services.relay import relay
from storage.base import PurgeReport


async def purge(services: Services) -> PurgeReport:
    """Safe at any time and from several processes; meant for cron, and run by itself in embedded mode."""
    report = await services.staging.purge()
    while images := await services.catalog.expire_sources(datetime.now(UTC) - services.remote_ttl):
        await erase_all(services, images)
    await relay(services)
    return report
