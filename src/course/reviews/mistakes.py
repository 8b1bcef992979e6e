"""The reviews that a net gets most confidently wrong, with each word in the colour of its contribution."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import torch

from course.reviews import archive
from course.reviews.reader import FIELD, Reader
from course.reviews.words import BREAK, places
from encore.data.named.named_source import ColumnSource
from encore.data.named.ragged import Ragged
from encore.terminal import harmless

NAMES = {"neg": "blame", "pos": "praise"}
# Okabe and Ito's blue for praise, and vermilion for blame, as backgrounds.
PRAISE, BLAME = (0, 114, 178), (213, 94, 0)
PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ max-width: 46em; margin: 2em auto; font: 16px/1.6 sans-serif; color: #222; background: #fff }}
article {{ margin: 2em 0 }} h2 {{ font-size: 1em }} .text {{ white-space: pre-wrap }}
</style>
<h1>{title}</h1>
<p>{count:,} of {examples:,} test reviews are wrong. Those it is surest of: each word has the colour of what it does to
the logit where it is read, against an unknown word in its place:
<span style="background: {praise}">praise</span>, <span style="background: {blame}">blame</span>.</p>
{articles}
</html>
"""


@dataclass(frozen=True)
class Mistake:
    """A review that a net takes for the opposite.

    Attributes:
        review: as it was published.
        praise: the probability that it is praise, as the net has it.
        words: where each word that is read begins and ends in the text, and its contribution to the logit.
        skipped: how many words before them are not read.
    """

    review: archive.Review
    praise: float
    words: list[tuple[int, int, float]]
    skipped: int

    @property
    def heading(self) -> str:
        share = self.praise if self.review.label == "neg" else 1 - self.praise
        taken = "praise" if self.review.label == "neg" else "blame"
        stars = f"{NAMES[self.review.label]}, {self.review.rating} of 10 stars"
        return f"{self.review.member}: {stars}; taken for {taken} with a probability of {share:.4f}"


@dataclass(frozen=True)
class Mistakes:
    """The most confident mistakes of a run, how many it has made, and of how many test reviews."""

    title: str
    count: int
    examples: int
    shown: list[Mistake]


def find(reader: Reader, count: int) -> Mistakes:
    """Read the test reviews, and those again that the run is surely wrong about, word by word."""
    source = reader.parts.data.opened_test()
    assert isinstance(source, ColumnSource)
    texts = source.columns[FIELD]
    assert isinstance(texts, Ragged)
    logits = reader.of_source(texts, torch.arange(len(source)))
    signs = 2 * source.targets - 1
    wrong = ((logits.sigmoid() > 0.5).long() != source.targets).nonzero().flatten()
    order = wrong[(signs[wrong] * logits[wrong]).argsort(stable=True)][:count]
    published = archive.read(reader.reviews.file, "test")
    shown = [of_review(reader, published[place], float(logits[place].sigmoid())) for place in order.tolist()]
    return Mistakes(reader.title, len(wrong), len(source), shown)


def of_review(reader: Reader, review: archive.Review, praise: float) -> Mistake:
    parts = reader.contributions(reader.tokens(review.text))[1:].tolist()
    every = list(places(review.text))
    skipped = len(every) - len(parts)
    words = [(begin, end, part) for (begin, end), part in zip(every[skipped:], parts, strict=True)]
    return Mistake(review, praise, words, skipped)


def pieces(mistake: Mistake) -> Iterable[tuple[str, float]]:
    """A review piece by piece, each with its contribution from -1 to 1, as a part of the greatest; 0 between words."""
    text, place = mistake.review.text, 0
    most = max((abs(part) for *_, part in mistake.words), default=0) or 1.0
    for begin, end, part in mistake.words:
        yield BREAK.sub("\n", text[place:begin]), 0.0
        yield text[begin:end], part / most
        place = end
    yield BREAK.sub("\n", text[place:]), 0.0


def html(found: Mistakes) -> str:
    """A page of its own; a review's text stays text."""
    articles = (
        f'<article><h2>{escape(mistake.heading)}</h2><p class="text">{"".join(map(marked, pieces(mistake)))}</p>{rest}'
        "</article>"
        for mistake in found.shown
        for rest in [cut(mistake)]
    )
    return PAGE.format(
        title=escape(found.title), count=found.count, examples=found.examples, articles="\n".join(articles),
        praise=color(PRAISE, 1), blame=color(BLAME, 1),
    )  # fmt: skip


def cut(mistake: Mistake) -> str:
    return f"<p>The first {mistake.skipped:,} words were not read.</p>" if mistake.skipped else ""


def marked(piece: tuple[str, float]) -> str:
    text, part = escape(piece[0]), piece[1]
    if not round(part, 2):
        return text
    return f'<span style="background: {color(PRAISE if part > 0 else BLAME, abs(part))}">{text}</span>'


def color(base: tuple[int, int, int], share: float) -> str:
    return f"rgb({base[0]} {base[1]} {base[2]} / {0.6 * share:.2f})"


def terminal(found: Mistakes, colors: bool) -> str:
    """The same for a terminal; without colours, the words that contribute most are in brackets."""
    lines = [f"{found.title}: {found.count:,} of {found.examples:,} test reviews are wrong"]
    for mistake in found.shown:
        lines += ["", harmless(mistake.heading), "".join(shown(piece, colors) for piece in pieces(mistake))]
    return "\n".join(lines)


def shown(piece: tuple[str, float], colors: bool) -> str:
    text, part = harmless(piece[0]), piece[1]
    if colors and abs(part) >= 0.1:
        base = PRAISE if part > 0 else BLAME
        red, green, blue = (round(255 - abs(part) * (255 - each)) for each in base)
        return f"\x1b[48;2;{red};{green};{blue};38;2;0;0;0m{text}\x1b[0m"
    return f"[{'+' if part > 0 else '-'}{text}]" if not colors and abs(part) >= 0.5 else text
