"""The command line. Heavy modules are imported inside the commands: `--help` answers at once."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from proxy.settings import Settings

FAILED = 1
WRONG_SETTING = 2


def serve(arguments: argparse.Namespace) -> None:
    """serve images, uploads and products over HTTP"""
    settings = _settings()
    from proxy.server import serve

    with _one_line():
        serve(settings, host=arguments.host, port=arguments.port, uds=arguments.uds, workers=arguments.workers, announce=_say)


def worker(_: argparse.Namespace) -> None:
    """work off background tasks, such as building variants after a commit"""
    settings = _settings()
    import asyncio

    from proxy.server import with_redis
    from proxy.worker import work

    with _one_line(), with_redis(settings) as complete:
        asyncio.run(work(complete))


def purge(_: argparse.Namespace) -> None:
    """delete uploads that are stored or expired; for cron"""
    settings = _settings()
    import asyncio

    from proxy.server import with_redis
    from proxy.worker import purge_once

    with _one_line(), with_redis(settings) as complete:
        report = asyncio.run(purge_once(complete))
    _say(f"purged {report.transferred} stored and {report.expired} expired uploads, {report.bytes} bytes")


def reconcile(arguments: argparse.Namespace) -> None:
    """compare catalog and store and mend what came apart; exit code 1 when an original is lost"""
    settings = _settings()
    import asyncio

    from proxy.reconciling import run
    from proxy.server import with_redis

    with _one_line(), with_redis(settings) as complete:
        report = asyncio.run(run(complete, from_store=arguments.from_store, dry_run=arguments.dry_run))
    _say(report.as_json() if arguments.json else report.as_text())
    sys.exit(FAILED if report.lost else 0)


def doctor(_: argparse.Namespace) -> None:
    """check everything that ProgImage depends on; exit code 1 when something is wrong"""
    import asyncio

    from proxy.doctor import examine, table

    findings = asyncio.run(examine())
    _say(table(findings, colour=sys.stdout.isatty()))
    sys.exit(FAILED if any(finding.failed for finding in findings) else 0)


def sign(arguments: argparse.Namespace) -> None:
    """print a picture's URL with its signature, in the one spelling that it has"""
    settings = _settings(connecting=False)
    from proxy.sign import signed_url
    from transforms.errors import ProgImageError

    try:
        _say(signed_url(settings, arguments.url, seconds=arguments.expires, key=arguments.key))
    except ProgImageError as error:
        _end(f"{error} It takes {error.facts['expected']}." if "expected" in error.facts else str(error), FAILED)


def explain(arguments: argparse.Namespace) -> None:
    """print what a picture's URL comes down to, where it would come from and what it would cost; exit code 1 when it would fail"""
    settings = _settings()
    import asyncio
    from contextlib import nullcontext

    from proxy.explain import check_there, report
    from proxy.report import as_json, as_text
    from proxy.server import with_redis

    with _one_line():
        check_there(settings)
        with nullcontext(settings) if settings.redis_url else with_redis(settings) as complete:
            found = asyncio.run(report(complete, arguments.url, arguments.accept))
    _say(as_json(found) if arguments.json else as_text(found))
    sys.exit(FAILED if "problem" in found else 0)


def openapi(_: argparse.Namespace) -> None:
    """print the OpenAPI document of the HTTP interface"""
    settings = _settings(connecting=False)
    from proxy.routes import document

    _say(json.dumps(document(settings.public_url), indent=2, ensure_ascii=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="progimage",
        description="ProgImage: an image store, and the variants of its images made on demand.",
        epilog="Settings are PROGIMAGE_* variables: see docs/settings.md.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (serve, worker, purge, reconcile, doctor, sign, explain, openapi):
        described = command.__doc__
        under = commands.add_parser(command.__name__, help=described, description=described)
        under.set_defaults(command=command)
        under.add_argument("--data", metavar="FOLDER", help="the data folder, instead of PROGIMAGE_DATA")
        if command is serve:
            _add_serve_options(under)
        if command is reconcile:
            _add_reconcile_options(under)
        if command is sign:
            _add_sign_options(under)
        if command is explain:
            _add_explain_options(under)
    return parser


def _add_serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s); 0.0.0.0 for all")
    parser.add_argument("--port", type=_whole(0, 65535), default=8080, help="the port (%(default)s); 0 takes one that is free")
    parser.add_argument("--uds", metavar="PATH", type=Path, help="listen on this Unix socket instead")
    parser.add_argument("--workers", metavar="N", type=_whole(1, 256), default=1, help="processes that answer requests (%(default)s)")


def _add_reconcile_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing of it")
    parser.add_argument("--from-store", action="store_true", help="give rows to the pictures in the store that the catalog does not know")
    parser.add_argument("--json", action="store_true", help="for programs; names all that was found")


def _add_sign_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a path like /img/ID/w256.webp or '/img/w256.webp?url=https://…', or a whole URL")
    parser.add_argument("--expires", metavar="SECONDS", type=_whole(1, 10**9), help="how long it is good (for ever)")
    parser.add_argument("--key", metavar="ID", help="the key to sign by, which the URL then names (the first in PROGIMAGE_SIGNING_KEYS)")


def _add_explain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", metavar="URL", help="a path like /img/ID/w256.webp or '/img/w256.webp?url=https%%3A%%2F%%2F…', or a whole URL"
    )
    parser.add_argument("--accept", metavar="TYPES", help="the client's Accept header, for the format auto")
    parser.add_argument("--json", action="store_true", help="for programs")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return convert


def _settings(*, connecting: bool = True) -> "Settings":
    """The settings, or the end of the program with one line that says what is wrong; also with the URLs when they are to be used."""
    from proxy.settings import WrongSetting, load

    try:
        settings = load()
        if connecting:
            from proxy.wiring import check_urls

            check_urls(settings)
    except WrongSetting as error:
        _end(str(error), WRONG_SETTING)
    return settings


@contextmanager
def _one_line() -> Iterator[None]:
    """Errors that we know end the program with their sentence, not with a traceback."""
    from proxy.server import CannotStart
    from transforms.errors import ProgImageError

    try:
        yield
    except (CannotStart, ProgImageError) as error:
        _end(" ".join([str(error), *getattr(error, "__notes__", [])]), FAILED)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end(sentence: str, code: int) -> NoReturn:
    sys.stderr.write(f"progimage: {' '.join(sentence.split())}\n")
    sys.exit(code)


def main(words: Sequence[str] | None = None) -> None:
    arguments = _parser().parse_args(words)
    if arguments.data:
        # An argument wins over the variable, and the processes that we start read the variable.
        os.environ["PROGIMAGE_DATA"] = arguments.data
    arguments.command(arguments)
