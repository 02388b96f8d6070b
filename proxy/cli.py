"""The command line. Heavy modules are imported inside the commands: `--help` answers at once."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from proxy.settings import Settings

WRONG_SETTING = 2
FAILED = 1

app = typer.Typer(
    help="ProgImage: an image store, and the variants of its images made on demand.",
    # Rich doubles the time that --help takes.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)

Data = Annotated[Path | None, typer.Option(help="The data folder (PROGIMAGE_DATA).", show_default=False)]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free.")] = 8080,
    uds: Annotated[Path | None, typer.Option(help="Listen on this Unix socket instead.", show_default=False)] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer requests.")] = 1,
    data: Data = None,
) -> None:
    """Serve images, uploads and products over HTTP."""
    settings = _settings(data)
    from proxy.server import CannotListen, serve

    with _one_line():
        try:
            serve(settings, host=host, port=port, uds=uds, workers=workers, announce=typer.echo)
        except CannotListen as error:
            _end(str(error), FAILED)


@app.command()
def worker(data: Data = None) -> None:
    """Work off background tasks, such as building variants after a commit."""
    settings = _settings(data)
    import asyncio

    from proxy.server import with_redis
    from proxy.worker import work

    with _one_line(), with_redis(settings) as complete:
        asyncio.run(work(complete))


@app.command()
def purge(data: Data = None) -> None:
    """Delete uploads that are stored or expired; for cron."""
    settings = _settings(data)
    import asyncio

    from proxy.server import with_redis
    from proxy.worker import purge_once

    with _one_line(), with_redis(settings) as complete:
        report = asyncio.run(purge_once(complete))
    typer.echo(f"purged {report.transferred} stored and {report.expired} expired uploads, {report.bytes} bytes")


@app.command()
def doctor(data: Data = None) -> None:
    """Check everything that ProgImage depends on; exit code 1 when something is wrong."""
    if data:
        os.environ["PROGIMAGE_DATA"] = str(data)
    import asyncio

    from proxy.doctor import examine, table

    findings = asyncio.run(examine())
    typer.echo(table(findings, colour=sys.stdout.isatty()))
    raise typer.Exit(FAILED if any(finding.failed for finding in findings) else 0)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface."""
    settings = _settings(None)
    from proxy.routes import document

    typer.echo(json.dumps(document(settings.public_url), indent=2, ensure_ascii=False))


def _settings(data: Path | None) -> "Settings":
    """The settings, or the end of the program with one line that says what is wrong. `--data` wins over the variable."""
    if data:
        os.environ["PROGIMAGE_DATA"] = str(data)
    from proxy.settings import WrongSetting, load

    try:
        return load()
    except WrongSetting as error:
        _end(str(error), WRONG_SETTING)


@contextmanager
def _one_line() -> Iterator[None]:
    """Errors that we know end the program with their sentence, not with a traceback."""
    from transforms.errors import ProgImageError

    try:
        yield
    except ProgImageError as error:
        _end(" ".join([str(error), *getattr(error, "__notes__", [])]), FAILED)


def _end(sentence: str, code: int) -> NoReturn:
    typer.echo(f"progimage: {sentence}", err=True)
    raise typer.Exit(code)


def main() -> None:
    app(prog_name="progimage")
