"""The report of `progimage reconcile`: every kind of finding has its line, for people and for programs."""

import json
from pathlib import Path

import pytest

from proxy.reconciling import WORDS, Report
from services.findings import KINDS, Finding, Kind, Looked
from tests.proxy.test_cli import run


def report(*found: Finding, dry_run: bool = False) -> Report:
    return Report(looked=Looked(images=1234, objects=5678), found=found, dry_run=dry_run)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_told_with_what_became_of_it(kind: Kind) -> None:
    words = WORDS[kind]
    for mended, dry_run in ((False, False), (False, True), (True, False)):
        lines = report(Finding(kind=kind, subject="abc", bytes=98_765, mended=mended), dry_run=dry_run).as_text().splitlines()
        assert lines[0] == "looked at 1,234 pictures, 5,678 objects"
        assert words.what in lines[1]
        assert "98,765 bytes" in lines[1]
        # Only another command takes up what the catalog does not know.
        planned = f"to be {words.done}" if words.done and kind != "unlisted" else words.left
        assert lines[1].endswith(words.done if mended else planned if dry_run else words.left)
        assert lines[2].strip() == "abc"


def test_many_of_a_kind_are_one_line_and_a_few_names() -> None:
    found = [Finding(kind="orphan", subject=f"image{number}", bytes=1, mended=True) for number in range(1000)]
    lines = report(*found).as_text().splitlines()
    assert len(lines) == 8
    assert lines[1].split() == ["1,000", *WORDS["orphan"].what.split(), "1,000", "bytes", "deleted"]


def test_only_a_loss_is_a_failure() -> None:
    assert {kind for kind in KINDS if report(Finding(kind=kind, subject="abc")).lost} == {"missing", "damaged"}
    assert not report().lost


def test_programs_get_all_of_it() -> None:
    found = [Finding(kind="facts", subject=f"image{number}") for number in range(100)]
    told = json.loads(report(*found, dry_run=True).as_json())
    assert (told["images"], told["objects"], told["dry_run"], len(told["found"])) == (1234, 5678, True, 100)
    assert told["found"][7] == {"kind": "facts", "subject": "image7", "bytes": 0, "mended": False}


def test_the_command_compares_an_empty_catalog_with_an_empty_store(tmp_path: Path) -> None:
    result = run("reconcile", folder=tmp_path)
    assert (result.returncode, result.stdout) == (0, "looked at 0 pictures, 0 objects\nnothing is amiss\n"), result.stderr
