"""The pages of docs/ that are made from the code, so that they cannot disagree with it."""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

from proxy.errors import ANSWERS, problem_type
from proxy.handlers.transforms import operations
from proxy.named import FORMAT, NAMED, Token
from proxy.settings import Settings, accepted, default, variable
from transforms.formats import FORMATS, Format

SETTINGS_HEAD = """\
# Settings

Environment variables, or lines `NAME=value` of a file `.env` in the folder that ProgImage is started from; a variable wins over the file.
A wrong value, or a name that is not in this table, ends the start with one line that says so. Sizes take units (`512MiB`).

Made from `proxy/settings.py` by `make docs`; do not edit.

| setting | meaning | default | accepted |
|---|---|---|---|
"""

ERRORS_HEAD = """\
# Errors

Every error is a problem body (RFC 9457, `application/problem+json`): `type`, `title`, `status`, `detail` (a sentence for people),
`request_id` (what the log calls the request), and the facts named below. Whoever asks for `text/html` gets a small page. Programs should
look at `type`, which is stable; the sentences may change. `404` and `410` may be cached for a minute, all others not at all; a `503`
carries `Retry-After`, drawn at random from the bounds given here so that a crowd spreads.

Made from `proxy/errors.py` by `make docs`; do not edit.
"""


TRANSFORMS_HEAD = """\
# Operations

What a plan may hold, in the order in which a stage runs, whatever the order of its text ([how URLs are made](urls.md)). The same as
JSON: `GET /transforms`. Each picture is the example of its row.

Made from `transforms/operations/` by `make docs`; do not edit.

| | operation | what it does | after the name | example |
|---|---|---|---|---|
"""

FORMATS_HEAD = """
## Formats

What ProgImage knows; which of them this server's libvips can handle, and which are accepted as uploads, is told by `GET /transforms`. The
extension `auto` stands for the best that the client names in `Accept`.

| extension | media type | read | written | transparency written | animation written | default of `q` |
|---|---|---|---|---|---|---|
"""

NAMED_HEAD = f"""
## Named transforms

The names of [the interfaces from before](api.md). The operations that they stand for say above what values the arguments may have. What
follows a colon is taken when an argument is not given. Those in brackets may be left out (`resize` needs one of them), all others must be
given. All names take `{FORMAT[0]}` (or `{FORMAT[1]}`), the format of the answer.

| name | arguments | operations |
|---|---|---|
"""


def settings_page() -> str:
    rows = (
        f"| `{variable(name)}` | {field.description} | {default(field)} | {accepted(field)} |\n"
        for name, field in Settings.model_fields.items()
    )
    return SETTINGS_HEAD + "".join(rows)


def errors_page() -> str:
    parts = [ERRORS_HEAD]
    rows = sorted(ANSWERS.items(), key=lambda row: (row[1].status, row[0].slug))
    for status, same in groupby(rows, key=lambda row: row[1].status):
        parts.append(f"\n## {status}\n")
        for kind, answer in same:
            later = f" Retry after {answer.retry[0]} to {answer.retry[1]} s." if answer.retry else ""
            parts.append(f"\n### {kind.slug}\n\n`{problem_type(kind)}`: **{answer.title}.** {answer.meaning}{later}\n")
    return "".join(parts)


def transforms_page() -> str:
    rows = (
        f"| ![](operations/{known.name}.webp) | `{known.name}` | {known.summary} | {known.expected} | `{known.example}` |\n"
        for known in operations()
    )
    formats, names = map(_format_row, FORMATS.values()), map(_named_row, NAMED)
    return "".join((TRANSFORMS_HEAD, *rows, FORMATS_HEAD, *formats, NAMED_HEAD, *names))


def _format_row(known: Format) -> str:
    extensions = ", ".join(f"`{extension}`" for extension in (known.name, *known.aliases))
    cells = (bool(known.loaders), known.writable, known.writable and known.alpha, known.writable and known.animation)
    told = " | ".join("yes" if cell else "" for cell in cells)
    return f"| {extensions} | {known.media_type} | {told} | {known.quality or ''} |\n"


def _named_row(name: str) -> str:
    told = ", ".join(text for token in NAMED[name] for text in _arguments(token))
    return f"| `{name}` | {told} | {', '.join(f'`{token.parameter}`' for token in NAMED[name])} |\n"


def _arguments(token: Token) -> Iterator[str]:
    for names, usual in zip(token.arguments, token.default or [""] * len(token.arguments), strict=True):
        written = " or ".join(f"`{name}`" for name in names) + (f": {usual}" if usual else "")
        yield f"({written})" if token.optional else written


# File name in docs/ -> what makes it.
PAGES: Mapping[str, Callable[[], str]] = {"settings.md": settings_page, "errors.md": errors_page, "transforms.md": transforms_page}
