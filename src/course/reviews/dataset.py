"""The reviews as a dataset of Encore's: flat tokens with offsets, and labels."""

from pathlib import Path

import numpy as np

from course.reviews import archive, words
from encore.data.cache import cached
from encore.data.published import Published
from encore.errors import InputError
from encore.files import make_folder, replace

ORIGINAL = Path("IMDB", "aclImdb_v1.tar.gz")
LABELLED = Path("IMDB", "aclImdb_labelled.tar.gz")  # the 50,000 reviews that have labels, alone
PACKED = Path("IMDB", "aclImdb_packed.tar.gz")  # the same, packed here of an unpacked archive
# Digests of the reviews themselves, which are the same in all three.
SHA256 = {
    "train": "51dd0c1443590ec560cff3e22aaedba360061e599e03024a2e72a19546dba343",
    "test": "eb408e12f18fb5122f92db28020efba5067ff20df77a4243b836aef25e4be73c",
}
REMEDY = "encore fetch_data imdb fetches it again"


class Reviews:
    """The reviews of the training or the test set, 25,000 each, by label and number.

    Args:
        root: the data folder.
        train: which of the sets.
        as_published: whether they must be the reviews that were published, to the letter.

    Attributes:
        tokens: the words' numbers, one review after another, int64 [total].
        starts: where each review begins in `tokens`, int64 [n].
        label: 1 for praise (7 to 10 stars), 0 for blame (1 to 4), int64 [n].
        spelling: the words by their numbers.
        file: the archive.

    Raises:
        FileNotFoundError: there is no archive.
        InputError: it cannot be read, or holds other reviews.
    """

    classes = ("blame", "praise")
    published = (
        Published(
            ORIGINAL,
            md5="7c2ac02c03563afcf9b574c7e56c153a",
            urls=(
                "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                "https://bj.bcebos.com/dataset/imdb%2FaclImdb_v1.tar.gz",
                "http://d2l-data.s3-accelerate.amazonaws.com/aclImdb_v1.tar.gz",
            ),
        ),
        Published(LABELLED, sha256="253810abf3656b05f951f6570d2de8a6d639ae6d973ab45e7f381f26c3a70ea8"),
    )

    def __init__(self, root: str, train: bool, as_published: bool = True) -> None:
        self.part, self.file = "train" if train else "test", here(Path(root))
        held = cached(f"imdb-{self.part}", self.file, [archive, words], self.made)
        if as_published and (found := str(held["sha256"])) != SHA256[self.part]:
            raise InputError(
                f"the {self.part} reviews of {self.file} are not those that were published: their SHA-256 is {found}\n"
                f"{REMEDY}"
            )
        self.tokens, self.starts, self.label = held["lexicon"][held["tokens"]], held["starts"], held["label"]
        self.rating, self.id = held["rating"], held["id"]
        spelling = held["spelling"].tobytes().decode().split("\n")
        self.spelling = dict(zip(held["lexicon"].tolist(), spelling, strict=True))

    def made(self) -> dict[str, np.ndarray]:
        try:
            return archive.arrays(archive.read(self.file, self.part))
        except InputError as problem:
            raise InputError(f"{problem}\n{REMEDY}") from problem

    @classmethod
    def pack(cls, source: Path, data_dir: Path) -> Path | None:
        """An archive in the data folder of an unpacked one, wherever that lies below `source`; None if there is none.

        Raises:
            InputError: its reviews are not those that were published.
        """
        folders = [source, *(place for place in sorted(source.rglob("aclImdb")) if place.is_dir())]
        folder = next((place for place in folders if all((place / part).is_dir() for part in archive.PARTS)), None)
        if folder is None:
            return None
        found = {part: archive.in_folder(folder, part) for part in archive.PARTS}
        for part, some in found.items():
            if (digest := archive.sha256(some)) != SHA256[part]:
                raise InputError(
                    f"{folder / part} holds {len(some):,} reviews that are not the 25,000 published: "
                    f"their SHA-256 is {digest}, not {SHA256[part]}"
                )
        make_folder((data_dir / PACKED).parent)
        replace(data_dir / PACKED, archive.pack(one for some in found.values() for one in some))
        return data_dir / PACKED


def here(root: Path) -> Path:
    """The archive that is there.

    Raises:
        FileNotFoundError: there is none.
    """
    for place in (ORIGINAL, LABELLED, PACKED):
        if (root / place).is_file():
            return root / place
    raise FileNotFoundError(f"there is no {root / ORIGINAL}")
