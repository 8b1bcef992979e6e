"""Which code ran: a commit and the changes to it, or else the files themselves."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from encore.config import places
from encore.provenance import distributions
from encore.provenance.git import GitFailed, blob_id, git, is_commit, text, texts, tree
from encore.provenance.modules import ENGINE
from encore.provenance.remembered import facts_of

ENGINE_FOLDER = Path(__file__).parents[1]

# What counts as source and config, in git's patterns; installed packages are recorded by their versions.
KINDS = (
    "*.py", "*.pyx", "*.c", "*.cpp", "*.h", "*.cu", "*.cuh", "*.yaml", "*.yml", "*.toml", "*.lock",
    "Makefile", "*/Makefile", ":(exclude)*site-packages/*", ":(exclude)*dist-packages/*",
)  # fmt: skip
# Bytes of untracked files to keep beyond those in the fingerprint.
MOST = 5_000_000

DIFF = (
    "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--binary", "--full-index", "--relative",
    "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0", "--ignore-submodules",
    f"-O{os.devnull}",
)  # fmt: skip
# A changed file in a diff, and the id of its new content. Content cannot match: its lines start with a sign.
CHANGED = re.compile(rb"^diff --git a/(.+) b/\1\n(?:(?:old|new|deleted) .*\n)*index [0-9a-f]+\.\.([0-9a-f]+)", re.M)

# What was found last, and of which files.
KNOWN: dict[str, Any] = {}


def source(files: Iterable[Path], root: Path | None = None) -> dict[str, Any]:
    """Everything needed to restore a run's code.

    Args:
        files: the source files in the run's fingerprint; each comes back to the byte.
        root: the project's folder; None: find it.

    Returns:
        With git: `commit`; `folder`, where in its repository the project is; `dirty`, whether more than the commit ran;
        `diff`, of source and config, for `git apply`; `untracked`, texts by path, of the `files` that commit and diff
        do not give and of source and config that git neither tracks nor ignores; `left_out`, how many of the latter
        are too much to be kept. Without: `commit`, None, and `files`, their texts by path.
        Either way `outside`, texts of the `files` outside the project by the paths they are imported by.
        Bytes that are not UTF-8 are surrogates in the texts.
    """
    root, files = root or places.root(), list(files)
    inside, outside = contents(files, root)
    try:
        code = by_commit(inside, root)
        code["dirty"] = code["dirty"] or any(below(root, file) is None for file in files if not installed(file))
    except GitFailed:
        code = {"commit": None, "files": texts(inside)}
    return code | {"outside": texts(outside)}


def engine(counted: dict[str, Path], root: Path | None = None) -> dict[str, Any]:
    """Everything needed to restore a run's code, with the whole engine unless it is an installed package.

    Args:
        counted: by module, the source files in the run's fingerprint.
        root: the project's folder; None: find it.
    """
    if version := distributions.claim(ENGINE_FOLDER / "__init__.py").get(ENGINE):
        own = [file for name, file in counted.items() if name.partition(".")[0] != ENGINE]
        return once(own, root) | {"engine": version}
    return once([*counted.values(), *files_below(ENGINE_FOLDER)], root)


def once(files: Iterable[Path | str], root: Path | None) -> dict[str, Any]:
    """As `source`, found again only when one of the files has changed: git takes 0.05 s for each run of a sweep."""
    root = root or places.root()
    seen = {name: facts_of(os.stat(name)) for name in sorted(map(str, files))}  # noqa: PTH116 (quick)
    if (root, seen) != KNOWN.get("of"):
        KNOWN.update(code=source(map(Path, seen), root), of=(root, seen))
    return dict(KNOWN["code"])


def files_below(folder: Path) -> Iterator[str]:
    """A folder's Python files."""
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names if name.endswith(".py"))  # noqa: PTH118 (quick)


def by_commit(inside: dict[str, bytes], root: Path) -> dict[str, Any]:
    """The commit that is checked out, and what it lacks.

    Raises:
        GitFailed: there is no commit, or it is not of this project.
    """
    words = ("--is-inside-work-tree", "--show-prefix", "HEAD^{commit}")
    in_tree, prefix, commit = [*text(git("rev-parse", *words, cwd=root)).split("\n"), "", ""][:3]
    folder = prefix.rstrip("/")
    if in_tree != "true" or not is_commit(commit):
        raise GitFailed("no commit is checked out")
    ids = {path: name for path, _, name in tree(commit, folder, root)}
    if not ids.keys() & inside.keys():
        raise GitFailed("the repository around the project is not its own")
    diff = git("diff", *DIFF, commit, "--", *KINDS, cwd=root)
    ids |= {text(path): name.decode() for path, name in CHANGED.findall(diff)}
    # Ignored, untracked, hidden from git (`update-index --assume-unchanged`), or converted between commit and folder.
    lacking = {path: content for path, content in inside.items() if ids.get(path) != blob_id(content, commit)}
    others, left_out = untracked(root, lacking)
    return {
        "commit": commit,
        "folder": folder,
        "dirty": bool(diff or lacking or others or left_out),
        "diff": text(diff),
        "untracked": texts(lacking | others),
        "left_out": left_out,
    }


def untracked(root: Path, known: dict[str, bytes]) -> tuple[dict[str, bytes], int]:
    """Source and config that git neither tracks nor ignores, up to MOST bytes, and how many more there are."""
    listed = git("ls-files", "-z", "--others", "--exclude-standard", "--", *KINDS, cwd=root)
    paths = {text(path) for path in listed.split(b"\0")[:-1]} - known.keys()
    kept: dict[str, bytes] = {}
    room = MOST
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        file = root / path
        try:
            if file.is_file() and file.stat().st_size <= room:
                kept[path] = file.read_bytes()
                room -= len(kept[path])
        except OSError:  # unreadable, and not needed
            continue
    return kept, len(paths) - len(kept)


def contents(files: Iterable[Path], root: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Files' contents by their paths in the project, and of those outside by the paths they are imported by.

    The engine in a project's own environment, `.venv`, is outside of it.
    """
    inside: dict[str, bytes] = {}
    outside: dict[str, bytes] = {}
    for file in files:
        path = None if installed(file) else below(root, file)
        if path is not None:
            inside[path] = file.read_bytes()
        else:
            paths = (below(Path(entry), file) for entry in sys.path)
            outside[min(filter(None, paths), key=len, default=file.name)] = file.read_bytes()
    return inside, outside


def installed(file: Path) -> bool:
    """Whether a file belongs to an installed package; the commit's lock file says which."""
    return not {"site-packages", "dist-packages"}.isdisjoint(file.parts)


def below(folder: Path, file: Path) -> str | None:
    """A file's path relative to a folder, as written or with links resolved."""
    base, path = folder.absolute(), Path(os.path.normpath(file.absolute()))
    if not path.is_relative_to(base):
        base, path = folder.resolve(), file.resolve()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else None
