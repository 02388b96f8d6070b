"""Connections to judged addresses, and to no others: what httpcore2 gets in place of a network."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore2

from services.origins.addresses import Address, Network, allowed
from services.origins.pace import Pace
from services.origins.resolver import resolve
from services.origins.source_url import SourceUrl


class PacedStream(httpcore2.AsyncNetworkStream):
    """A connection on which nothing takes longer than the pace allows, whatever the caller says."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, pace: Pace) -> None:
        self._stream, self._pace = stream, pace

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._pace.room:
            raise httpcore2.ReadError("the headers are too long")
        data = await self._stream.read(min(max_bytes, self._pace.room), timeout=self._pace.left)
        self._pace.received += len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout=self._pace.left)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout=self._pace.left)
        except BaseException:
            await self.aclose()
            raise
        self._pace.connected()
        return PacedStream(stream, self._pace)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class JudgedNetwork(httpcore2.AsyncNetworkBackend):
    """For one request: its host is resolved once, every address is judged, and one of these is connected to."""

    def __init__(self, source: SourceUrl, *, networks: Sequence[Network], pace: Pace) -> None:
        self._source, self._networks, self._pace = source, networks, pace
        self._real = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async with asyncio.timeout(self._pace.left):
            addresses = await resolve(self._source, self._networks, seconds=self._pace.left)
            stream = await self._first(addresses)
        if self._source.scheme == "http":
            self._pace.connected()
        return PacedStream(stream, self._pace)

    async def _first(self, addresses: Sequence[Address]) -> httpcore2.AsyncNetworkStream:
        """A connection to the first that takes one; each gets its share of the time that is left."""
        refusal: Exception = httpcore2.ConnectError("no address")
        for tried, address in enumerate(addresses):
            try:
                return await self._connect(address, self._pace.left / (len(addresses) - tried))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                refusal = error
        raise refusal

    async def _connect(self, address: Address, seconds: float) -> httpcore2.AsyncNetworkStream:
        stream = await self._real.connect_tcp(str(address), self._source.port, timeout=seconds)
        try:
            self._check_peer(stream, address)
        except BaseException:
            await stream.aclose()
            raise
        return stream

    def _check_peer(self, stream: httpcore2.AsyncNetworkStream, address: Address) -> None:
        """What the kernel says, whatever lies between it and us."""
        peer = ip_address(stream.get_extra_info("server_addr")[0])
        if peer != address or not allowed(peer, self._networks):
            raise httpcore2.ConnectError(f"{address} was answered by {peer}")
