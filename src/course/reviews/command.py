"""`scripts/reviews.py`: what a run of IMDB's reviews says of texts."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.errors import ConfigError
from encore.files import make_folder, write_text
from encore.terminal import harmless
from encore.use.paths import typed

LINE = 100  # characters of a text that are shown


def main() -> None:
    wanted = arguments()
    wanted.go(wanted)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="What a run of IMDB's reviews says of texts: of yours, of single words, and of those it gets wrong."
    )
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    predicts = kind(kinds, "predict", predict, "is a text praise? With its probability")
    predicts.add_argument(
        "texts", nargs="*", metavar="TEXT", default=["-"], help="a text each; -: a line each of what is typed"
    )
    weighs = kind(kinds, "words", weigh, "draw the words of the greatest weight, for praise and for blame")
    weighs.add_argument("--count", type=positive, default=20, help="words for each side (20)")
    weighs.add_argument("--least", type=positive, default=50, help="how often the training examples have them (50)")
    weighs.add_argument("--out", type=Path, default=Path("words.png"), help="picture: .png, .svg or .pdf (words.png)")
    finds = kind(kinds, "mistakes", find, "the test reviews it gets most confidently wrong, each word in its colour")
    finds.add_argument("--count", type=positive, default=5, help="how many (5)")
    finds.add_argument(
        "--out", type=Path, metavar="FILE", help="also write a page, .html, or a picture, .png, .svg or .pdf"
    )
    return parser.parse_args()


def kind(
    kinds: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    go: Callable[[argparse.Namespace], None],
    what: str,
) -> argparse.ArgumentParser:
    made = kinds.add_parser(name, help=what, description=what)
    made.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    made.add_argument("--data-dir", type=Path, metavar="DIR", help="folder of the data, if they have moved")
    made.set_defaults(go=go)
    return made


def positive(word: str) -> int:
    if (number := int(word)) < 1:
        raise ValueError
    return number


def predict(wanted: argparse.Namespace) -> None:
    texts = [line for text in wanted.texts for line in (typed("a text a line; Ctrl-D ends") if text == "-" else [text])]
    import encore  # torch only from here

    model = encore.load(wanted.run, data_dir=wanted.data_dir)
    for text, ((name, sure), *_) in zip(texts, model.predictions(model.texts(texts)).top(1), strict=True):
        line = " ".join(text.split())
        print(harmless(f"{name:6} {sure:.3f}  {line if len(line) <= LINE else f'{line[: LINE - 1]}…'}"))


def weigh(wanted: argparse.Namespace) -> None:
    check_picture(wanted.out)
    from course.reviews import weights
    from course.reviews.reader import reader
    from encore.analysis.results.figure_files import save

    with reader(wanted.run, wanted.data_dir) as it:
        found = weights.weigh(it, wanted.count, wanted.least)
    make_folder(wanted.out.parent)
    save(weights.figure(found), wanted.out)
    print(wanted.out)


def find(wanted: argparse.Namespace) -> None:
    if wanted.out is not None and wanted.out.suffix not in (".html", ".png", ".svg", ".pdf"):
        raise ConfigError(f"--out {wanted.out}: must end in .html, .png, .svg or .pdf")
    from course.reviews import mistakes
    from course.reviews.reader import reader

    with reader(wanted.run, wanted.data_dir) as it:
        found = mistakes.find(it, wanted.count)
    print(mistakes.terminal(found, colors=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))
    if wanted.out is not None:
        make_folder(wanted.out.parent)
        if wanted.out.suffix == ".html":
            write_text(wanted.out, mistakes.html(found))
        else:
            from course.reviews.mistakes_figure import figure
            from encore.analysis.results.figure_files import save

            save(figure(found), wanted.out)
        print(wanted.out)
