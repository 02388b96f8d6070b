"""docs/tables/sources.toml, one case for each URL."""

import tomllib
from dataclasses import dataclass
from typing import Any

from tests.servers import REPOSITORY


@dataclass(frozen=True, kw_only=True)
class Case:
    """A URL and what must come of it; the table's head says what the fields mean."""

    row: str
    url: str
    status: int
    connects: tuple[str, ...]
    dns: bool
    server: str
    slow: bool

    def __str__(self) -> str:
        return f"{self.row}-{self.status}-{self.url[:40].encode('unicode_escape').decode()}"


def _cases(row: dict[str, Any]) -> list[Case]:
    return [
        Case(
            row=str(row["number"]),
            url=url,
            status=int(status),
            connects=tuple(row.get("connects", ())),
            dns=row.get("dns", False),
            server=row.get("server", "open"),
            slow=row.get("slow", False),
        )
        for status, urls in row.get("answers", {}).items()
        for url in urls
    ]


ROWS = tomllib.loads((REPOSITORY / "docs/tables/sources.toml").read_text())["row"]
CASES = [case for row in ROWS for case in _cases(row)]
