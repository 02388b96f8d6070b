"""Write the generated pages of docs/, or with --check say which of them is not what the code and the tables say now."""

import sys
from pathlib import Path

import tables

from proxy.reference import PAGES as CODE

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {**CODE, **tables.PAGES}


def main(arguments: list[str]) -> int:
    stale = [DOCS / name for name, make in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != make()]
    if "--check" in arguments:
        print("\n".join(f"{page.name} is out of date: run `make docs`" for page in stale) or f"{len(PAGES)} generated pages are up to date")
        return 1 if stale else 0
    for page in stale:
        page.write_text(PAGES[page.name]())
        print(f"wrote {page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
