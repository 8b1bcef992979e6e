"""Recorded code, restored into a folder of its own; the record may be a stranger's."""

import io
import os
import re
import shutil
from pathlib import Path
from typing import Any

from encore.config import places
from encore.errors import InputError
from encore.provenance.git import GitFailed, blob_id, git, is_commit, raw, text, tree
from encore.provenance.source_code import CHANGED

APPLY = ("--whitespace=nowarn", "--no-ignore-whitespace")
# Git's copies may come from anywhere on the machine.
MOVED = re.compile(rb"^(?:copy|rename) ", re.M)


def rebuild(source: dict[str, Any], folder: Path, root: Path | None = None) -> Path:
    """Write recorded code into a new folder and nothing elsewhere; nothing is executed.

    Args:
        source: what `source` gave; it may be a stranger's.
        folder: where to.
        root: the project whose repository has the commit; None finds it.

    Returns:
        The folder that `encore` is imported from.

    Raises:
        InputError: the commit is not here, or the record is damaged or leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: recorded code needs a new folder")
    try:
        fill(folder.resolve(), source, root or places.root())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder / "src"


def fill(folder: Path, source: dict[str, Any], root: Path) -> None:
    """Write the commit, changes and files.

    Raises:
        InputError: as `rebuild`.
    """
    commit = source.get("commit")
    if commit is not None:
        if not is_commit(commit):
            raise InputError(f"{commit!r} is not a commit: the record of the code is damaged")
        check_out(commit, str(source.get("folder", "")), folder, root)
        apply(raw(source.get("diff", "")), folder, commit)
    for path, content in files_of(source, "files" if commit is None else "untracked").items():
        write(folder, path, raw(content))
    for path, content in files_of(source, "outside").items():
        write(folder / "src", path, raw(content))


def check_out(commit: str, prefix: str, folder: Path, root: Path) -> None:
    """Write a commit's files as the repository stores them, without using its index, hooks or filters.

    Raises:
        InputError: the commit is not here.
    """
    try:
        entries = tree(commit, prefix, root)
        given = "".join(f"{name}\n" for _, _, name in entries).encode()
        blobs = io.BytesIO(git("cat-file", "--batch", cwd=root, given=given))
    except GitFailed as problem:
        raise InputError(
            f"commit {commit[:10]} cannot be read from a git repository in {root} ({problem}): "
            "git fetch gets it if it was pushed"
        ) from problem
    for path, mode, _ in entries:
        _, kind, *size = blobs.readline().split()
        if kind == b"missing":
            raise InputError(f"{path} of commit {commit[:10]} is not in the repository: git fetch gets it")
        content = blobs.read(int(size[0]))
        blobs.readline()
        if mode == "120000":
            link(folder, path, text(content))
        else:
            write(folder, path, content, executable=mode == "100755")


def apply(diff: bytes, folder: Path, commit: str) -> None:
    """Apply the recorded changes to a commit's files.

    Raises:
        InputError: the diff does not fit them, or leads out of the folder.
    """
    if not diff:
        return
    if MOVED.search(diff):
        raise InputError(
            "the recorded changes move or copy files, which ours never do: the record of the code is damaged"
        )
    try:
        # Ignore a repository around the folder.
        git("apply", *APPLY, cwd=folder, given=diff, GIT_CEILING_DIRECTORIES=str(folder.parent))
    except GitFailed as problem:
        raise InputError(f"the recorded changes do not apply to commit {commit[:10]}: {problem}") from problem
    for path, name in CHANGED.findall(diff):
        if name.strip(b"0") and as_kept(folder / text(path), commit) != name.decode():
            raise InputError(f"the recorded changes give another {text(path)} than they say: the record is damaged")


def as_kept(file: Path, commit: str) -> str | None:
    """The object name that git gives a file or link; None if there is neither."""
    if file.is_symlink():
        return blob_id(os.fsencode(file.readlink()), commit)
    return blob_id(file.read_bytes(), commit) if file.is_file() else None


def write(folder: Path, path: str, content: bytes, executable: bool = False) -> None:
    """Write a file in a folder.

    Raises:
        InputError: it would not be in the folder.
    """
    file = within(folder, path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link
        file.write_bytes(content)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as problem:
        raise InputError(f"{path!r} is a file and a folder: the record of the code is damaged") from problem
    if executable:
        file.chmod(0o755)


def link(folder: Path, path: str, target: str) -> None:
    """Link a path in a folder to another one in it; a link that leads out of the folder is left out."""
    file = within(folder, path)
    if Path(os.path.realpath(file.parent / target)).is_relative_to(folder):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)


def within(folder: Path, path: str) -> Path:
    """The file that a recorded path refers to.

    Raises:
        InputError: it is not in the folder, whether by its name or by links, or is git's own.
    """
    raw(path)
    named = Path(path)
    file = folder / named
    if (
        "\0" in path
        or not named.name
        or named.anchor
        or {"..", ".git"} & {part.lower() for part in named.parts}
        or not Path(os.path.realpath(file.parent)).is_relative_to(folder)
    ):
        raise InputError(f"{path!r} leads out of the project: the record of the code is damaged")
    return file


def files_of(source: dict[str, Any], name: str) -> dict[str, str]:
    """Recorded texts by path.

    Raises:
        InputError: they are something else.
    """
    files = source.get(name, {})
    if not isinstance(files, dict) or not all(isinstance(content, str) for content in files.values()):
        raise InputError(f"{name!r} holds no files: the record of the code is damaged")
    return files
