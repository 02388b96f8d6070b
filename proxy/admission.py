"""A request for a picture: read, its signature looked at, its one spelling found (http.md, the first three steps)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from proxy.image_path import ImagePath, parse_path, parse_remote
from proxy.picture_query import encoded_url, parse_query, query_text
from proxy.signing import Signer
from services.origins.source_url import SourceUrl
from services.origins.source_url import parse as parse_source
from transforms.ladder import check_widths, snapped
from transforms.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The widths that unsigned URLs may name: others are refused, or brought to the next one; off, all may be named."""

    mode: Literal["off", "strict", "snap"]
    widths: Sequence[int]

    def applied(self, plan: Plan) -> Plan:
        """PlanError where it is strict."""
        if self.mode == "strict":
            check_widths(plan, self.widths)
        return snapped(plan, self.widths) if self.mode == "snap" else plan


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What all requests for pictures are measured by."""

    signer: Signer
    ladder: Ladder

    def admitted(self, path: str, raw_path: bytes, query_string: bytes, now: float) -> "Asked":
        """What stands behind `/img/`. PlanError, UnknownImage, BadRequest, BadSourceUrl, BadSignature, ExpiredSignature."""
        query = parse_query(query_string)
        source = parse_source(query.url) if query.url else None
        asked = parse_remote(path) if source else parse_path(path)
        signed = self.signer.verified(asked.accepted, str(source or ""), query, now)
        if self.ladder.mode != "off" and asked.plan is not None and not signed:
            asked = replace(asked, plan=self.ladder.applied(asked.plan))
        spelled_right = raw_path == asked.accepted.encode() and query.raw_url == encoded_url(str(source or ""))
        return Asked(
            path=asked,
            source=source,
            expires=query.expires if signed else None,
            signer=self.signer if signed else None,
            query=query_text(url=str(source or ""), exp=query.exp, k=query.k, s=query.s) if signed else query_text(url=str(source or "")),
            spelled_right=spelled_right,
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`source` is that of a remote picture. A signed URL has its `signer`, and is good until `expires` unless that is None.

    `query` is what belongs to the path, and `spelled_right` whether the URL is the canonical one.
    """

    path: ImagePath
    source: SourceUrl | None = None
    expires: int | None = None
    signer: Signer | None = None
    query: str = ""
    spelled_right: bool = True

    @property
    def signed(self) -> bool:
        return self.signer is not None

    @property
    def canonical(self) -> str:
        """Path and query of the one spelling of this URL."""
        return self.path.accepted + self.query

    def address(self, path: str) -> str:
        """Another path of the same picture as this client may ask for it: signed for as long, where this one is."""
        source, exp = str(self.source or ""), str(self.expires or "")
        return self.signer.signed(path, source=source, exp=exp) if self.signer else path + query_text(url=source)
