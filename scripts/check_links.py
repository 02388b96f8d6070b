"""Fail when a Markdown page links to a file, or to a heading in one, that is not there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.+?)\s*$", re.MULTILINE)


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives to the headings, and those that the page sets itself."""
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(markdown))
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}
    return slugs | set(re.findall(r'<a (?:id|name)="([^"]+)"', markdown))


def dead_links(page: Path) -> Iterator[str]:
    """Each relative link of the page whose file or anchor is missing. Links to other sites are not followed."""
    for match in LINK.finditer(CODE.sub("", page.read_text())):
        target = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:|//", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file.read_text())):
            yield target


def main() -> int:
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], capture_output=True, check=True)
    pages = [Path(name) for name in listing.stdout.decode().splitlines()]
    dead = [f"{page}: {target}" for page in pages if page.exists() for target in dead_links(page)]
    print("\n".join(dead) or f"no dead links in {len(pages)} pages")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
