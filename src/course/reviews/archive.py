"""The archive of the Large Movie Review Dataset (Maas et al. 2011), read member by member and never extracted."""

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course.reviews.words import number, words
from encore.errors import InputError
from encore.terminal import counted

PARTS, LABELS = ("train", "test"), ("neg", "pos")
LAYOUT = "aclImdb/{train,test}/{neg,pos}/ID_RATING.txt"
MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")
MEMBERS = 100_000  # about as many as the original archive has
LONGEST = 2**24  # bytes of a review
CHUNK = 2**20  # bytes
BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error)


@dataclass(frozen=True)
class Review:
    """A review as it was published, with its rating from 1 to 10 stars."""

    part: str
    label: str
    id: int
    rating: int
    text: str

    @property
    def member(self) -> str:
        return f"aclImdb/{self.part}/{self.label}/{self.id}_{self.rating}.txt"


def read(file: Path, part: str) -> list[Review]:
    """The reviews of a part, `train` or `test`, by label and number.

    Raises:
        InputError: the archive is truncated, has no such reviews, two of one number, or one that is no UTF-8.
    """
    try:
        # tarfile's own reader of compressed archives does not look whether one is whole.
        with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            found = list(members(archive, part, file))
            while stream.read(CHUNK):
                pass  # its digest is checked at the end
    except BROKEN as problem:
        raise InputError(f"{file} is truncated or altered, or no archive: {problem}") from problem
    return in_order(found, file)


def members(archive: tarfile.TarFile, part: str, file: Path) -> Iterator[Review]:
    """The reviews among an archive's members, as they come."""
    for member in counted(archive, MEMBERS, f"reading {part} reviews"):
        if (named := MEMBER.fullmatch(member.name)) and named[1] == part:
            stream = archive.extractfile(member) if member.isfile() and member.size <= LONGEST else None
            if stream is None:
                raise InputError(f"{file}: {member.name} is no file, or longer than {LONGEST:,} bytes")
            yield review(named, stream.read(), file)


def review(named: re.Match[str], content: bytes, where: Path) -> Review:
    try:
        text = content.decode()
    except UnicodeDecodeError as problem:
        raise InputError(f"{where}: {named[0]} is not UTF-8: {problem}") from problem
    return Review(named[1], named[2], int(named[3]), int(named[4]), text)


def in_order(some: Iterable[Review], where: Path) -> list[Review]:
    found: dict[tuple[str, int], Review] = {}
    for one in some:
        if (key := (one.label, one.id)) in found:
            raise InputError(f"{where} has two reviews of the number {one.id}: {found[key].member}, {one.member}")
        found[key] = one
    if {label for label, _ in found} != set(LABELS):
        raise InputError(f"{where} is of another layout: it must hold praise and blame as {LAYOUT}")
    return [found[key] for key in sorted(found)]


def in_folder(folder: Path, part: str) -> list[Review]:
    """The reviews of an unpacked archive; arguments and errors as of `read`."""
    files = (file for label in LABELS for file in (folder / part / label).glob("*.txt"))
    named = ((MEMBER.fullmatch(f"aclImdb/{file.relative_to(folder).as_posix()}"), file) for file in files)
    return in_order((review(match, file.read_bytes(), folder) for match, file in named if match), folder)


def sha256(some: Iterable[Review]) -> str:
    """The digest of reviews, however they are packed."""
    whole = hashlib.sha256()
    for one in some:
        content = one.text.encode()
        whole.update(f"{one.member}\n{len(content)}\n".encode() + content)
    return whole.hexdigest()


def pack(some: Iterable[Review]) -> bytes:
    """An archive of reviews, in their order."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w|") as archive,
    ):
        for one in some:
            member, content = tarfile.TarInfo(one.member), one.text.encode()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def arrays(some: list[Review]) -> dict[str, np.ndarray]:
    """Reviews as arrays.

    Returns:
        `tokens`, places in `lexicon`, int32 [total], of which each review's begin at `starts`, int64 [n]; `lexicon`,
        the numbers of all words that occur, int64, and `spelling`, the words themselves, in bytes, a line each;
        `label`, 1 for praise, and `rating` and `id`, [n]; `sha256`.
    """
    known: dict[str, int] = {}
    tokens: list[np.ndarray] = []
    for one in counted(some, len(some), "splitting into words"):
        tokens.append(np.array([known.setdefault(word, len(known)) for word in words(one.text)], np.int32))
    lengths = [len(each) for each in tokens]
    return {
        "tokens": np.concatenate(tokens) if tokens else np.zeros(0, np.int32),
        "starts": np.cumsum([0, *lengths[:-1]], dtype=np.int64),
        "lexicon": np.array([number(word) for word in known], np.int64),
        "spelling": np.frombuffer("\n".join(known).encode(), np.uint8),
        "label": np.array([LABELS.index(one.label) for one in some], np.int64),
        "rating": np.array([one.rating for one in some], np.int64),
        "id": np.array([one.id for one in some], np.int64),
        "sha256": np.array(sha256(some)),
    }
