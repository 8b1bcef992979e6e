"""The words by which a net tells praise from blame, as a picture."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from course.reviews.reader import Reader
from encore.analysis.pictures.colors import CLASSES, INK
from encore.analysis.results.axes import plain
from encore.errors import InputError

PRAISE, BLAME = CLASSES[0], CLASSES[5]


@dataclass(frozen=True)
class Weighed:
    """Words and their weights, the greatest first, for praise and for blame."""

    title: str
    praise: list[tuple[str, float]]
    blame: list[tuple[str, float]]


def weigh(reader: Reader, count: int, least: int) -> Weighed:
    """Find the words of the greatest weight.

    Args:
        reader: a run's.
        count: how many for each side.
        least: how often the training examples must have a word.
    """
    vocabulary, weights = reader.vocabulary, reader.weights()
    often = (vocabulary.counts >= least).nonzero().flatten()
    if len(often) < 2 * count:
        raise InputError(f"{len(often)} words occur {least} times or more: --least or --count must be lower")
    order = often[weights[often].argsort(descending=True, stable=True)].tolist()

    def named(places: list[int]) -> list[tuple[str, float]]:
        spelling = reader.reviews.spelling
        return [(spelling[int(vocabulary.words[place])], float(weights[place])) for place in places]

    return Weighed(reader.title, named(order[:count]), named(order[::-1][:count]))


def figure(found: Weighed) -> Figure:
    """Two columns of bars: praise and blame."""
    drawn = Figure(figsize=(8, 0.24 * len(found.praise) + 1.1), layout="constrained")
    drawn.suptitle(found.title, fontsize="medium")
    most = max(abs(weight) for _, weight in [*found.praise, *found.blame])
    sides = (("for praise", found.praise, PRAISE), ("for blame", found.blame, BLAME))
    for axes, (title, rows, color) in zip(drawn.subplots(1, 2), sides, strict=True):
        words, weights = zip(*rows, strict=True)
        axes.barh(range(len(rows)), [abs(weight) for weight in weights], color=color)
        axes.set_yticks(range(len(rows)), [plain(word) for word in words])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.05 * most)
        axes.set_title(title, fontsize="medium", color=INK)
        axes.set_xlabel("change of the logit")
        axes.spines[["top", "right"]].set_visible(False)
    return drawn
