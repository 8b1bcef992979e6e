"""What code ran: a commit and what differed from it, or else the files themselves; and how to have it again."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from encore.errors import InputError

ROOT = Path(__file__).parents[3]

# What counts as source and config, in git's patterns; installed packages are recorded by their versions.
KINDS = (
    "*.py", "*.pyx", "*.c", "*.cpp", "*.h", "*.cu", "*.cuh", "*.yaml", "*.yml", "*.toml", "*.lock",
    "Makefile", "*/Makefile", ":(exclude)*site-packages/*", ":(exclude)*dist-packages/*",
)  # fmt: skip
# Bytes of untracked files that are kept beside those of the fingerprint.
MOST = 5_000_000

# Git answers alike whatever the user's settings are: names and line ends as they are, and none of their hooks.
SETTINGS = (
    "core.quotePath=false", "core.autocrlf=false", f"core.attributesFile={os.devnull}", "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
)  # fmt: skip
DIFF = (
    "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--binary", "--full-index", "--relative",
    "--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0", "--ignore-submodules",
    f"-O{os.devnull}",
)  # fmt: skip
APPLY = ("--whitespace=nowarn", "--no-ignore-whitespace")
# Those of git's variables that do not make it look elsewhere or answer otherwise.
KEPT = ("GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_SSH", "GIT_SSL", "GIT_PROXY")

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A changed file in a diff, and the id of its new content. No content can look like it: its lines begin with a sign.
CHANGED = re.compile(rb"^diff --git a/(.+) b/\1\n(?:(?:old|new|deleted) .*\n)*index [0-9a-f]+\.\.([0-9a-f]+)", re.M)
# Git lets a copy come from anywhere on the machine.
MOVED = re.compile(rb"^(?:copy|rename) ", re.M)


class GitFailed(Exception):
    """Git is not there, or does not answer."""


def source(files: Iterable[Path], root: Path = ROOT) -> dict[str, Any]:
    """What it takes to have a run's code again.

    Args:
        files: the source files in the run's fingerprint; each comes back to the byte.
        root: the project's folder.

    Returns:
        With git: `commit`; `folder`, where in its repository the project is; `dirty`, whether more than the commit ran;
        `diff`, of source and config, for `git apply`; `untracked`, texts by path, of the `files` that commit and diff
        do not give and of source and config that git neither tracks nor ignores; `left_out`, how many of the latter
        are too much to be kept. Without: `commit`, None, and `files`, their texts by path.
        Either way `outside`, texts of the `files` outside the project by the paths they are imported by.
        Bytes that are not UTF-8 are surrogates in the texts.
    """
    inside, outside = contents(files, root)
    try:
        code = by_commit(inside, root)
        code["dirty"] = code["dirty"] or bool(outside)
    except GitFailed:
        code = {"commit": None, "files": texts(inside)}
    return code | {"outside": texts(outside)}


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
        raise GitFailed("the repository around the project is none of its own")
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
        except OSError:  # it may not be read, and is not needed
            continue
    return kept, len(paths) - len(kept)


def contents(files: Iterable[Path], root: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Files' contents by their paths in the project, and of those outside by the paths they are imported by."""
    inside: dict[str, bytes] = {}
    outside: dict[str, bytes] = {}
    for file in files:
        path = below(root, file)
        if path is not None:
            inside[path] = file.read_bytes()
        else:
            paths = (below(Path(entry), file) for entry in sys.path)
            outside[min(filter(None, paths), key=len, default=file.name)] = file.read_bytes()
    return inside, outside


def below(folder: Path, file: Path) -> str | None:
    """A file's path in a folder, as it is called or as links lead to it."""
    for base, path in (
        (folder.absolute(), Path(os.path.normpath(file.absolute()))),
        (folder.resolve(), file.resolve()),
    ):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return None


def rebuild(source: dict[str, Any], folder: Path, root: Path = ROOT) -> Path:
    """Write recorded code into a new folder and nothing elsewhere; none of it is executed.

    Args:
        source: what `source` gave; it may be a stranger's.
        folder: where to.
        root: the project whose repository has the commit.

    Returns:
        The folder that `encore` is imported from.

    Raises:
        InputError: the commit is not here, or the record is damaged or leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: recorded code needs a new folder")
    try:
        fill(folder.resolve(), source, root)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder / "src"


def fill(folder: Path, source: dict[str, Any], root: Path) -> None:
    """Write commit, changes and files.

    Raises:
        InputError: as `rebuild`.
    """
    commit = source.get("commit")
    if commit is not None:
        if not is_commit(commit):
            raise InputError(f"{commit!r} is no commit: the record of the code is damaged")
        check_out(commit, str(source.get("folder", "")), folder, root)
        apply(raw(source.get("diff", "")), folder, commit)
    for path, content in files_of(source, "files" if commit is None else "untracked").items():
        write(folder, path, raw(content))
    for path, content in files_of(source, "outside").items():
        write(folder / "src", path, raw(content))


def check_out(commit: str, prefix: str, folder: Path, root: Path) -> None:
    """Write a commit's files as the repository holds them; its index, hooks and filters have no part in it.

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
            "git fetch brings it, where it was pushed"
        ) from problem
    for path, mode, _ in entries:
        _, kind, *size = blobs.readline().split()
        if kind == b"missing":
            raise InputError(f"{path} of commit {commit[:10]} is not in the repository: git fetch brings it")
        content = blobs.read(int(size[0]))
        blobs.readline()
        if mode == "120000":
            link(folder, path, text(content))
        else:
            write(folder, path, content, executable=mode == "100755")


def apply(diff: bytes, folder: Path, commit: str) -> None:
    """Change a commit's files as they were changed.

    Raises:
        InputError: the diff does not fit them, or leads out of the folder.
    """
    if not diff:
        return
    if MOVED.search(diff):
        raise InputError(
            "the recorded changes move or copy files, as none of ours do: the record of the code is damaged"
        )
    try:
        # A repository around the folder is none of its own.
        git("apply", *APPLY, cwd=folder, given=diff, GIT_CEILING_DIRECTORIES=str(folder.parent))
    except GitFailed as problem:
        raise InputError(f"the recorded changes do not apply to commit {commit[:10]}: {problem}") from problem
    for path, name in CHANGED.findall(diff):
        if name.strip(b"0") and as_kept(folder / text(path), commit) != name.decode():
            raise InputError(f"the recorded changes give another {text(path)} than they say: the record is damaged")


def as_kept(file: Path, commit: str) -> str | None:
    """The name that git gives a file or link; None where there is neither."""
    if file.is_symlink():
        return blob_id(os.fsencode(file.readlink()), commit)
    return blob_id(file.read_bytes(), commit) if file.is_file() else None


def write(folder: Path, path: str, content: bytes, executable: bool = False) -> None:
    """Write a file of a folder.

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
    """Link a path of a folder to another of it; a link that leads out of the folder is left out."""
    file = within(folder, path)
    if Path(os.path.realpath(file.parent / target)).is_relative_to(folder):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)


def within(folder: Path, path: str) -> Path:
    """The file that a recorded path means.

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


def is_commit(name: Any) -> bool:
    """Whether this is a full name of a commit, and no option or expression."""
    return isinstance(name, str) and COMMIT.fullmatch(name) is not None


def tree(commit: str, folder: str, root: Path) -> list[tuple[str, str, str]]:
    """The files of a commit below a folder: path, mode and name of the content.

    Raises:
        GitFailed: there is no such commit or folder.
    """
    listed = git("ls-tree", "-r", "-z", "--full-tree", f"{commit}:{folder}", cwd=root)
    entries = (text(line).partition("\t") for line in listed.split(b"\0")[:-1])
    return [(path, facts.split()[0], facts.split()[2]) for facts, _, path in entries if facts.split()[1] == "blob"]


def blob_id(content: bytes, commit: str) -> str:
    """The name that git gives a content, by the hash that it gave the commit."""
    sha = hashlib.sha1 if len(commit) == 40 else hashlib.sha256
    return sha(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def git(*words: str, cwd: Path, given: bytes = b"", **variables: str) -> bytes:
    """Ask git.

    Raises:
        GitFailed: it is not installed, or refuses.
    """
    settings = (word for setting in SETTINGS for word in ("-c", setting))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(KEPT)}
    fixed = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
    command = ["git", *settings, *words]
    try:
        answer = subprocess.run(command, cwd=cwd, env=kept | fixed | variables, input=given, capture_output=True)
    except (OSError, ValueError) as problem:
        raise GitFailed(str(problem)) from problem
    if answer.returncode != 0:
        raise GitFailed((text(answer.stderr).strip() or "git failed").splitlines()[0])
    return answer.stdout


def texts(files: dict[str, bytes]) -> dict[str, str]:
    """Contents as texts."""
    return {path: text(content) for path, content in files.items()}


def text(content: bytes) -> str:
    """Bytes as a text that gives them back."""
    return content.decode("utf-8", "surrogateescape")


def raw(content: Any) -> bytes:
    """The bytes that a text was.

    Raises:
        InputError: it is no text, or none that was bytes.
    """
    try:
        return content.encode("utf-8", "surrogateescape")
    except (AttributeError, UnicodeEncodeError) as problem:
        raise InputError("a text holds what no file can: the record of the code is damaged") from problem
