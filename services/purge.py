"""Purge: drop uploads that are stored or whose time is over, and send again what the outbox still holds."""

from services.container import Services
from services.relay import relay
from storage.base import PurgeReport


async def purge(services: Services) -> PurgeReport:
    """Safe at any time and from several processes; meant for cron, and run by itself in embedded mode."""
    report = await services.staging.purge()
    await relay(services)
    return report
