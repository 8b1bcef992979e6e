"""What a word is."""

import re
from collections.abc import Iterator
from hashlib import blake2b

# Words with their apostrophes, and the two marks that tell a mood.
WORD = re.compile(r"\w+(?:['’]\w+)*|[!?]")
BREAK = re.compile(r"<br\s*/?>")  # IMDB's reviews have their line breaks as HTML


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return WORD.findall(plain(text))


def places(text: str) -> Iterator[tuple[int, int]]:
    """Where each of a text's words begins and ends."""
    return (found.span() for found in WORD.finditer(plain(text)))


def plain(text: str) -> str:
    """A text in small letters and without line breaks, each letter where it was."""
    spaced = BREAK.sub(lambda found: " " * len(found[0]), text)
    small = spaced.lower()
    if len(small) == len(spaced):
        return small
    # A few letters, such as İ, become two.
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in spaced)


def number(word: str) -> int:
    """A word's number, the same in every text: 63 bits of its digest."""
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big") >> 1
