"""Atomic writes: files are written beside their place, synced, then moved into it. And digests.

What is read may be a stranger's: regular files only, never through a link, and no more than fits.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from encore.errors import CannotWrite, ConfigError, InputError
from encore.terminal import counted

if TYPE_CHECKING:
    from torch import Tensor

FULL = (errno.ENOSPC, errno.EDQUOT)
# What writing alone meets; of reading, a disk that fails.
OF_WRITING = (*FULL, errno.EFBIG, errno.EROFS, errno.EIO)
# Neither follow a link, nor wait for somebody to write into a pipe. Windows has no such flags.
UNFOLLOWED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
SMALL = 2**18  # bytes, up to which a file is hashed at once: it takes two thirds of the time
BLOCK = 2**20
LARGEST_JSON = 64 * 2**20  # bytes; a manifest with all of the engine's code has one or two million
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link",
}  # fmt: skip
# What file managers and editors leave in folders, and no dataset consists of.
JUNK = (
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    ".ipynb_checkpoints",
    "__MACOSX",
    "@eaDir",
    ".AppleDouble",
    ".directory",
)


class NotWritten(OSError):
    """Something of ours cannot be written; the message names it."""


class NoRoom(NotWritten):
    """A disk has less space than a file needs; the message says how much."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise NotWritten, with the path, for whatever the system says while a file or folder is written."""
    try:
        yield
    except NotWritten:
        raise
    except OSError as problem:
        raise NotWritten(problem.errno, problem.strerror or str(problem), str(path)) from problem


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the system says of paths, of what cannot be written, and of its limits, into an error with a code.

    Raises:
        InputError, CannotWrite, ConfigError: instead of it.
    """
    try:
        yield
    except NotWritten as problem:
        raise CannotWrite(str(problem)) from problem
    except OSError as problem:
        if problem.errno in (errno.EMFILE, errno.ENFILE):
            raise ConfigError(f"{problem}\n`ulimit -n 1024` allows more; data.resident=true needs fewer") from problem
        if problem.errno == errno.ENAMETOOLONG:
            raise InputError(str(problem)) from problem
        raise


def make_folder(path: Path) -> None:
    """Make a folder and those around it, where they are missing."""
    with writing(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as problem:
            raise NotWritten(errno.ENOTDIR, "a file is there, and a folder is needed", str(path)) from problem


def free_place(path: Path) -> Path:
    """A path at which nothing lies yet: this one, or one with a number behind it."""
    place, number = path, 2
    while os.path.lexists(place):
        place, number = path.with_name(f"{path.name}.{number}"), number + 1
    return place


def replace(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Replace a file's content atomically; at any moment the old or the new file is there, complete.

    Args:
        path: the file.
        content: the new content.
        keep: where to keep the old content.

    Raises:
        NotWritten: it cannot be written, or is something else than a file, such as a device. The old file is untouched
            and nothing else is left behind.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with writing(path):
            if path.exists() and not path.is_file():
                kind = KINDS.get(stat.S_IFMT(path.stat().st_mode), "something else")
                raise NotWritten(errno.EEXIST, f"it is {kind}, and a file is to be written", str(path))
            with beside.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if keep is not None and path.is_file():
                keep_as(path, keep)
            beside.replace(path)
    except BaseException as problem:
        with suppress(OSError):  # what is wrong with the disk has been said
            beside.unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.errno in FULL:
            free = shutil.disk_usage(path.parent).free
            raise NoRoom(problem.errno, f"{path.name} needs {len(content):,} bytes; {free:,} are free") from problem
        raise
    if os.name == "posix":  # on other systems folders cannot be opened
        make_durable(path.parent)


def keep_as(path: Path, keep: Path) -> None:
    """Give a file's content a second name atomically, without copying if the file system allows."""
    beside = keep.with_name(f".{keep.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:  # a file system without links
        shutil.copyfile(path, beside)
    beside.replace(keep)


def copy_whole(source: Path, target: Path, good: Callable[[Path], bool] | None = None) -> None:
    """Copy a file in one step; at any moment the target is what it was, or the copy, whole.

    Args:
        source: the file.
        target: its place; folders are made.
        good: whether the copy is what it should be.

    Raises:
        InputError: it is not, as the source was changed meanwhile; the target is untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, beside)
        if good is not None and not good(beside):
            raise InputError(f"{source} was changed while it was copied")
        make_durable(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def make_durable(path: Path) -> None:
    """Sync a file's content, or a folder's entries, to disk."""
    with writing(path):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file."""
    with writing(path), path.open("ab") as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    # A file's name need not be text: such bytes are written out.
    replace(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write plain values atomically. Non-finite numbers become strings, as JSON has none."""
    write_text(path, json_of(value))


def json_of(value: Any) -> str:
    """Plain values as JSON."""
    return indented(strict(value), "\n") + "\n"


def indented(value: Any, line: str) -> str:
    """As `json.dumps` with `indent=2`, for which it is all Python: what holds no container is left to its C code.

    Args:
        value: plain values.
        line: what begins a line that is not indented.
    """
    containers = dict, list
    if not isinstance(value, containers) or not value:
        return json.dumps(value, allow_nan=False)
    deeper, (begin, end) = f"{line}  ", "{}" if isinstance(value, dict) else "[]"
    items = value.values() if isinstance(value, dict) else value
    if not any(isinstance(item, containers) for item in items):
        inner = json.dumps(value, allow_nan=False, separators=(f",{deeper}", ": "))[1:-1]
    elif isinstance(value, dict):
        inner = f",{deeper}".join(
            f"{json.dumps({key: 0})[1:-4]}: {indented(item, deeper)}" for key, item in value.items()
        )
    else:
        inner = f",{deeper}".join(indented(item, deeper) for item in value)
    return f"{begin}{deeper}{inner}{line}{end}"


def yaml_of(value: Any) -> str:
    """Plain values as YAML, in their order; libyaml takes a tenth of the time, and no bytes that are not text."""
    import yaml  # not needed for the help

    settings: dict[str, Any] = {"sort_keys": False, "allow_unicode": True}
    try:
        return str(yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), **settings))
    except UnicodeEncodeError:
        return yaml.safe_dump(value, **settings)


def strict(value: Any) -> Any:
    """Replace the numbers that JSON cannot hold by strings."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value


def open_regular(path: Path, at_most: int) -> IO[bytes]:
    """Open a regular file for reading.

    Raises:
        InputError: it is missing, a link, a pipe, a folder or a device, or has more than `at_most` bytes.
    """
    try:
        opened = os.open(path, os.O_RDONLY | UNFOLLOWED | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as problem:
        raise InputError(f"there is no {path}") from problem
    except (OSError, ValueError) as problem:
        if os.path.islink(path):  # noqa: PTH114 (which answers in a closed folder, too)
            raise InputError(f"{path} is a link, and is not followed: put the file itself there") from problem
        raise InputError(f"{path} cannot be read: {problem}") from problem
    seen = os.fstat(opened)
    if stat.S_ISREG(seen.st_mode) and seen.st_size <= at_most:
        return os.fdopen(opened, "rb")
    os.close(opened)
    if not stat.S_ISREG(seen.st_mode):
        raise InputError(f"{path} is no file but {KINDS.get(stat.S_IFMT(seen.st_mode), 'something else')}")
    raise InputError(f"{path} has {seen.st_size:,} bytes, more than the {at_most:,} that it can have")


def open_own(path: str | Path, flags: int) -> int:
    """Open a file to be written, as an opener of `open`: never through a link.

    Raises:
        InputError: it is a link, a pipe, a folder or a device.
    """
    with suppress(FileNotFoundError):
        kind = stat.S_IFMT(os.lstat(path).st_mode)
        if kind != stat.S_IFREG:
            raise InputError(f"{path} is {KINDS.get(kind, 'no file')}, and nothing is written there: take it away")
    return os.open(path, flags | UNFOLLOWED, 0o666)


def read_whole(path: Path, at_most: int) -> bytes:
    """Read a regular file.

    Raises:
        InputError: it is missing or cannot be read, is something else than a file, or has more than `at_most` bytes.
    """
    with open_regular(path, at_most) as stream:
        try:
            content = stream.read(os.fstat(stream.fileno()).st_size)  # as much as was there: it may grow
        except (OSError, MemoryError) as problem:
            raise InputError(f"{path} cannot be read: {problem or 'there is too little memory'}") from problem
    return content[:at_most]


def read_json(path: Path, at_most: int = LARGEST_JSON) -> Any:
    """Read plain values.

    Raises:
        InputError: the file does not exist or is not JSON.
    """
    try:
        return json.loads(read_whole(path, at_most), parse_constant=no_number)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path} cannot be read: {problem}") from problem


def no_number(name: str) -> None:
    """Refuse NaN and Infinity, which no JSON has."""
    raise ValueError(f"{name} is no JSON")


def is_junk(name: str) -> bool:
    """Whether a file or folder of that name was left by a file manager or an editor; `._x` is macOS's beside x."""
    return name in JUNK or name.startswith("._")


def sha256(file: Path) -> str:
    """The SHA-256 of a file; cached in this process while its size and times stay the same."""
    seen = file.stat()
    return computed_sha256(file, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)


@lru_cache(maxsize=100_000)
def computed_sha256(file: Path, size: int, *_: int) -> str:
    """Compute a file's digest; the numbers identify its content for the cache."""
    with file.open("rb") as stream:
        if size < SMALL:
            return hashlib.sha256(stream.read()).hexdigest()
        digest = hashlib.sha256()
        blocks = iter(lambda: stream.read(BLOCK), b"")
        for block in counted(blocks, -(-size // BLOCK), f"reading {file.name}", " MiB"):
            digest.update(block)
        return digest.hexdigest()


def digest(weights: "dict[str, Tensor]") -> str:
    """SHA-256 of named tensors: their names, types, shapes and bytes."""
    import torch  # only callers with tensors need it

    whole = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        value = tensor.detach().cpu().contiguous()
        whole.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        if value.numel():  # a tensor from an empty array has no view
            whole.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()
