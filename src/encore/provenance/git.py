"""Calls to git that give the same answer whatever the user's settings."""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from encore.errors import InputError

# Unquoted names, unconverted line ends, and no hooks.
SETTINGS = (
    "core.quotePath=false", "core.autocrlf=false", f"core.attributesFile={os.devnull}", "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
)  # fmt: skip
# Environment variables of git that change neither where it looks nor what it answers.
KEPT = ("GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES", "GIT_SSH", "GIT_SSL", "GIT_PROXY")

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class GitFailed(Exception):
    """Git is not installed, or refuses."""


def is_commit(name: Any) -> bool:
    """Whether this is the full name of a commit, rather than an option or an expression."""
    return isinstance(name, str) and COMMIT.fullmatch(name) is not None


def tree(commit: str, folder: str, root: Path) -> list[tuple[str, str, str]]:
    """The files of a commit below a folder: path, mode and object name.

    Raises:
        GitFailed: there is no such commit or folder.
    """
    listed = git("ls-tree", "-r", "-z", "--full-tree", f"{commit}:{folder}", cwd=root)
    entries = (text(line).partition("\t") for line in listed.split(b"\0")[:-1])
    return [(path, facts.split()[0], facts.split()[2]) for facts, _, path in entries if facts.split()[1] == "blob"]


def blob_id(content: bytes, commit: str) -> str:
    """The object name that git gives a content, by the hash function that the commit uses."""
    sha = hashlib.sha1 if len(commit) == 40 else hashlib.sha256
    return sha(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def git(*words: str, cwd: Path, given: bytes = b"", **variables: str) -> bytes:
    """Run git.

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
    return {path: text(content) for path, content in files.items()}


def text(content: bytes) -> str:
    """Bytes as a text that `raw` turns back into the same bytes."""
    return content.decode("utf-8", "surrogateescape")


def raw(content: Any) -> bytes:
    """The bytes behind a text.

    Raises:
        InputError: it is no text, or none that was bytes.
    """
    try:
        return content.encode("utf-8", "surrogateescape")
    except (AttributeError, UnicodeEncodeError) as problem:
        raise InputError("a text holds bytes that no file can contain: the record of the code is damaged") from problem
