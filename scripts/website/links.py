"""Links between files of the repository, as links between pages of the site."""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A fenced block or code within a line, in which nothing is a link; or a link's beginning, target and end.
LINK = re.compile(
    r"^ *```.*?^ *```|`[^`\n]+`(?!\])|(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s]+)(\))", re.DOTALL | re.MULTILINE
)


def targets(text: str) -> Iterator[str]:
    """The targets within the repository that a page links to."""
    yield from (found[2] for found in LINK.finditer(text) if found[2] and is_within(found[2]))


def is_within(target: str) -> bool:
    return "://" not in target and not target.startswith(("#", "mailto:"))


def file_of(page: str, target: str) -> str:
    """The path in the repository of what a page links to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target.partition("#")[0]))


def place(path: str) -> str:
    """Where the site has a file or folder of the repository."""
    if path == "README.md":
        return "index.md"
    inside = path.removeprefix("docs/")
    if inside != path and not inside.startswith("gallery/"):
        return re.sub(r"\.ipynb$", ".md", inside)
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.md"


def rewritten(text: str, page: str) -> str:
    """The text of a page of the repository, with links that hold in the site."""
    here = posixpath.dirname(place(page))

    def link(found: re.Match[str]) -> str:
        if not found[2] or not is_within(found[2]):
            return found[0]
        _, hash_sign, anchor = found[2].partition("#")
        there = posixpath.relpath(place(file_of(page, found[2])), here or ".")
        return f"{found[1]}{there}{hash_sign}{anchor}{found[3]}"

    return LINK.sub(link, text)


def linked(pages: list[str], read: Callable[[str], str]) -> list[str]:
    """What pages link to, directly or by way of others, besides themselves."""
    found, new = set(pages), list(pages)
    while new:
        page = new.pop()
        for path in {file_of(page, target) for target in targets(read(page))} - found:
            if (ROOT / path).exists():  # MkDocs tells of a link that leads nowhere
                found.add(path)
                new += [path] if path.endswith(".md") else []
    return sorted(found - set(pages))
