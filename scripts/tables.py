"""The pages of docs/ that are made from docs/tables/, which the tests read as well: what is promised there is tested."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parent.parent / "docs" / "tables"

SOURCES_HEAD = """\
# What happens to a `url`

Every way that we know to make a server connect to where it should not, and the answer to it. `400` and `403` are decided from the text of
the URL, before any name is looked up. What is decided later is always the same `502`, whatever the reason, so that nobody learns about a
network from it. In every row, nothing is sent to a host but those that the row names; `tests/world` proves it with a host that has every
address of the Internet.

All names end in `.example`: the test's own DNS server knows them. `10-0-0-1.ip.example` has the address 10.0.0.1. Control characters
and characters beyond ASCII are shown as `\\u` and four digits. Unless a row says otherwise, the server's `PROGIMAGE_REMOTE_SOURCES` is
`*`: every public host.

Made from `docs/tables/sources.toml` by `make docs`; do not edit.

| | what is tried | answers |
|---|---|---|
"""


FAULTS_HEAD = """
## Hosts that fail

| | what the host does | answers |
|---|---|---|
"""


REQUESTS_HEAD = """\
# Odd requests

What is answered to requests that are wrong, odd or hostile. `{id}` stands for a stored picture of 800 x 600, `{nobody}` for an id that no
picture has, `{9*400}` for four hundred nines; `{s}` for the signature that belongs to the path on a server that wants
signatures. Every error is a problem: [errors](errors.md). No request is answered with 500.

Made from `docs/tables/requests.toml` by `make docs`; do not edit. `tests/e2e/test_requests.py` sends all of them.

| | what is tried | answers |
|---|---|---|
"""


def sources_page() -> str:
    rows = tomllib.loads((TABLES / "sources.toml").read_text())["row"]
    tried, faults = ([_line(row) for row in rows if isinstance(row["number"], kind)] for kind in (int, str))
    return "".join((SOURCES_HEAD, *tried, FAULTS_HEAD, *faults))


def _line(row: Mapping[str, Any]) -> str:
    return f"| {row['number']} | {row['what']} | {'<br>'.join(_answers(row))} |\n"


def _answers(row: Mapping[str, Any]) -> Iterator[str]:
    for status, urls in row.get("answers", {}).items():
        yield f"**{status}** " + ", ".join(f"`{_shown(url)}`" for url in urls)
    if "also" in row:
        yield row["also"]


def _shown(url: str) -> str:
    """As Markdown has it: no control characters, and no bar that ends a cell."""
    visible = repr(url)[1:-1] if not url.isprintable() else url.encode("ascii", "backslashreplace").decode()
    return (visible if len(visible) <= 100 else f"{visible[:60]}…").replace("|", "\\|")


def requests_page() -> str:
    rows = tomllib.loads((TABLES / "requests.toml").read_text())["row"]
    return REQUESTS_HEAD + "".join(f"| {row['number']} | {row['what']} | {'<br>'.join(_cases(row))} |\n" for row in rows)


def _cases(row: Mapping[str, Any]) -> Iterator[str]:
    for case in row.get("case", ()):
        yield f"**{case['status']}**{_outcome(case)} {_listed(case['requests'])}{''.join(_along(case))}"
    if "also" in row:
        yield row["also"]
    if "tested" in row:
        yield f"Tested in `{row['tested']}`."


def _outcome(case: Mapping[str, Any]) -> str:
    if "location" in case:
        return f" to `{case['location']}`:"
    return f" [{case['problem']}](errors.md#{case['problem']}):" if "problem" in case else ":"


def _along(case: Mapping[str, Any]) -> Iterator[str]:
    """What goes along with the requests of a case."""
    if "headers" in case:
        yield f"; with {_listed(case['headers'])}"
    if "one_of" in case:
        yield f"; each with one of {_listed(case['one_of'])}"
    if "body" in case:
        yield f"; the body is {_listed([case['body']])}"
    exp = case.get("sign", {}).get("exp", "")
    if exp:
        yield f"; `exp` is {f'{exp} seconds from now' if exp[0] in '+-' else exp}"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(f"`{_shown(text)}`" for text in texts)


# File name in docs/ -> what makes it.
PAGES: Mapping[str, Callable[[], str]] = {"sources.md": sources_page, "requests.md": requests_page}
