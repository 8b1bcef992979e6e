"""A model card and a dataset card of a run, in Hugging Face's format: YAML at the top, Markdown below."""

import importlib.util
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from encore.config import places
from encore.config.defaults import changed
from encore.config.facts import look_up, show
from encore.config.naming import run_name
from encore.errors import InputError
from encore.files import free_place, make_folder, write_text, writing
from encore.provenance.former_names import present
from encore.record.identity import check_identity
from encore.record.reading import read_manifest
from encore.record.result import Result
from encore.terminal import harmless, say

SPLITS = ("train", "val", "test")
# What Hugging Face calls a task, by the end of its class's name; of inputs that are no pictures, and of pictures.
TASKS = {
    "Classification": ("tabular-classification", "image-classification"),
    "Binary": ("tabular-classification", "image-classification"),
    "Multilabel": ("tabular-classification", "image-classification"),
    "Regression": ("tabular-regression", None),
    "Segmentation": (None, "image-segmentation"),
}
# Sizes of datasets as Hugging Face has them.
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
# Settings of the data that say which examples a split has.
OF_SPLIT = ("split_seed", "val_fraction", "test_fraction", "fraction", "keep", "folds", "bootstrap")
FITTED = ("standardize", "minmax")
PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "numpy")


@dataclass(frozen=True)
class Facts:
    """What a run's record says of it."""

    run: Result
    manifest: dict[str, Any]
    cfg: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Facts":
        """Read a finished run's record.

        Raises:
            InputError: it cannot be read, was altered, or is not finished.
        """
        run = Result.read(folder)
        if run.status != "finished":
            raise InputError(f"{folder} {run.standing}, not finished: it has no figures yet")
        manifest = read_manifest(folder)
        check_identity(run, manifest)
        return cls(run, manifest, present(manifest["config"]))

    @property
    def data(self) -> str:
        return str(look_up(self.cfg, "data.name"))

    @property
    def task(self) -> str | None:
        """Hugging Face's name of the task; None if it has none."""
        kind = str(look_up(self.cfg, "task._target_")).rpartition(".")[2]
        of_others, of_pictures = TASKS.get(kind, (None, None))
        shape = look_up(self.cfg, "data.shape")
        return of_pictures if isinstance(shape, list) and len(shape) == 3 else of_others

    @property
    def sizes(self) -> dict[str, int]:
        return {split: count for split, count in (self.manifest["data"]["sizes"] or {}).items() if count}

    @property
    def settings(self) -> dict[str, Any]:
        """Those that differ from the defaults, and what callbacks chose."""
        return changed(self.cfg) | self.manifest.get("chosen", {})

    @property
    def classes(self) -> list[str]:
        return (self.manifest.get("inputs") or {}).get("classes") or []

    def about(self, group: str) -> str:
        """What the file of a chosen part says of it; empty if there is no such file."""
        name = str(look_up(self.cfg, f"{group}.name"))
        file = places.find(f"{group}/{name}") if re.fullmatch(r"[\w-]+", name) else None
        lines = file.read_text(encoding="utf-8").splitlines() if file else []
        said = [line.removeprefix("#").strip() for line in lines[: next_setting(lines)]]
        return " ".join(line for line in said if not line.startswith(("python ", "encore ", "@package")))


def next_setting(lines: list[str]) -> int:
    """The number of comment lines at the top."""
    return next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))


def write(folder: Path, out: Path) -> list[Path]:
    """Write the cards of a run, each as the README.md of a folder of its own; another card that is there is kept.

    Raises:
        InputError: the run's record cannot be used.
    """
    facts = Facts.read(folder)
    written = []
    for kind, card in (("model", model_card(facts)), ("dataset", dataset_card(facts))):
        check(kind, card)
        file = out / kind / "README.md"
        make_folder(file.parent)
        if file.is_file() and file.read_bytes() != card.encode():
            kept = free_place(file.with_name("README.before.md"))
            with writing(file):
                file.rename(kept)
            say(harmless(f"{kept}  # the card that was there"))
        write_text(file, card)
        written.append(file)
    return written


def check(kind: str, card: str) -> None:
    """Check a card as Hugging Face's own library reads it, where that is installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return
    from huggingface_hub import DatasetCard, ModelCard

    {"model": ModelCard, "dataset": DatasetCard}[kind](card)


def model_card(facts: Facts) -> str:
    run, cfg = facts.run, facts.cfg
    tested = {name.partition("/")[2]: value for name, value in run.metrics.items() if name.startswith("test/")}
    head: dict[str, Any] = {
        "library_name": "encore",
        "tags": ["encore", "pytorch", str(look_up(cfg, "model.name"))],
        "datasets": [facts.data],
        "metrics": [name for name in tested if name != "loss"],
    }
    if facts.task:
        head["pipeline_tag"] = facts.task
        if tested:
            head["model-index"] = [{"name": run.name, "results": [results(facts, tested)]}]
    best = run.best.get("epoch")
    chosen = (
        f" The weights are those of epoch {best + 1}, best by {run.best.get('monitor')}." if best is not None else ""
    )
    return page(
        head,
        f"# {run_name(cfg)}",
        f"{facts.about('model')} Trained on {facts.data} for {run.epochs} epochs, {run.steps} steps.{chosen}",
        "## Results",
        figures(run.metrics),
        "One run; its seed is one draw of many. Means over seeds: `encore report`.",
        "## Settings",
        "Those that differ from the defaults of its parts:" if facts.settings else "All are the defaults of its parts.",
        rows(("setting", "value"), [(name, show(value)) for name, value in facts.settings.items()]),
        "## Reproduce it",
        code(command(facts)),
        f"With the run's folder, `encore reproduce {run.folder.name}` trains it again and compares every bit. "
        "What it is a function of:",
        rows(("what", "which"), identity(facts)),
        "## Limits",
        f"It has seen {facts.data} and nothing else. Inputs have to be prepared as in training "
        f"(normalize: {plain(show(look_up(cfg, 'data.normalize')))}). How it does on other data was not measured.",
        "## Citation",
        code(citation(), "bibtex"),
    )


def dataset_card(facts: Facts) -> str:
    """The card of the data as the run used them."""
    data, held = facts.cfg["data"], facts.manifest["data"]
    count = sum(facts.sizes.values())
    head: dict[str, Any] = {"pretty_name": facts.data, "tags": ["encore"]}
    if facts.task:
        head["task_categories"] = [facts.task]
    if count:
        head["size_categories"] = [next((name for most, name in SIZES if count < most), "1M<n<10M")]
    split = [(name, show(data[name])) for name in OF_SPLIT if data.get(name) is not None]
    digests = [(name, file["sha256"]) for name, file in held["files"].items()]
    digests += [(name, held[name]) for name in ("examples_sha256", "split_sha256") if held.get(name)]
    shape = [(name, show(data[name])) for name in ("shape", "num_classes", "num_targets") if data.get(name) is not None]
    shape += [("classes", ", ".join(facts.classes))] if facts.classes else []
    return page(
        head,
        f"# {facts.data}",
        f"{facts.about('data')} As the run {facts.run.name} {facts.run.folder.name} used it.",
        "## Examples",
        rows(("what", "value"), [*shape, ("source", str(look_up(data, "train._target_")))]),
        "## Splits",
        rows(("split", "examples"), [(name, f"{size:,}") for name, size in facts.sizes.items()]),
        "Normalisation was fitted on the training split alone." if data.get("normalize") in FITTED else "",
        rows(("setting", "value"), split),
        "## Contents",
        "SHA-256 of the files, or of the examples as they were read:",
        rows(("what", "sha256"), digests),
        "## Citation",
        "Cite the dataset's own authors. The record of the run:",
        code(citation(), "bibtex"),
    )


def results(facts: Facts, tested: dict[str, float]) -> dict[str, Any]:
    """The measured figures as an entry of `model-index`."""
    return {
        "task": {"type": facts.task},
        "dataset": {"type": facts.data, "name": facts.data, "split": "test"},
        "metrics": [{"type": name, "value": value, "name": f"test {name}"} for name, value in tested.items()],
    }


def figures(metrics: dict[str, float]) -> str:
    """Metrics by split."""
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics if name.partition("/")[0] in SPLITS))
    shown = [[name, *(f"{metrics[key]:.4f}" if (key := f"{split}/{name}") in metrics else "–" for split in SPLITS)]
             for name in names]  # fmt: skip
    return rows(("metric", *SPLITS), shown)


def command(facts: Facts) -> str:
    """The command line that was typed, or one that says the same."""
    words = facts.manifest.get("arguments")
    if not isinstance(words, list):
        return f"encore reproduce {shlex.quote(facts.run.folder.name)}"
    return " ".join(["python train.py", *(shlex.quote(str(word)) for word in words)])


def identity(facts: Facts) -> list[tuple[str, str]]:
    held = facts.manifest
    environment, code_ = held["environment"], held["code"]
    packages = environment["packages"]
    return [
        ("fingerprint", facts.run.fingerprint),
        ("weights_sha256", str(facts.run.weights_sha256)),
        ("seed", str(facts.run.seed)),
        ("commit", f"{code_.get('commit')}{', changed' if code_.get('dirty') else ''}"),
        ("python", str(environment.get("python"))),
        *((name, str(packages[name])) for name in PACKAGES if name in packages),
        ("processor", str((environment.get("cpu") or {}).get("model"))),
        ("device", f"{held.get('world_size')} × {held.get('device')}, {held.get('precision')}"),
        ("duration", f"{facts.run.seconds:.0f} s"),
    ]


def citation() -> str:
    """Encore's, as BibTeX, from CITATION.cff where that is at hand."""
    file = (places.clone() or Path()) / "CITATION.cff"
    held = yaml.safe_load(file.read_bytes()) if places.clone() and file.is_file() else {}
    authors = " and ".join(f"{{{each.get('name')}}}" for each in held.get("authors", [])) or "{The Encore authors}"
    title = held.get("title", "Encore: a template for reproducible deep-learning research")
    year = str(held.get("date-released", "2026"))[:4]
    return f"@software{{encore,\n  author = {{{authors}}},\n  title = {{{title}}},\n  year = {{{year}}}\n}}"


def page(head: dict[str, Any], *parts: str) -> str:
    """A card's text."""
    top = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{top}---\n\n" + "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def rows(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; nothing without lines."""
    if not (cells := [[plain(cell) for cell in line] for line in lines]):
        return ""
    return "\n".join(f"| {' | '.join(line)} |" for line in (heading, ["---"] * len(heading), *cells))


def plain(text: str) -> str:
    """A text of the record, which may be a stranger's, without what Markdown or HTML would make of it."""
    return re.sub(r"([\\`*<>|]|(?<=\])\()", r"\\\1", harmless(text).replace("\n", " "))


def code(text: str, language: str = "bash") -> str:
    return f"```{language}\n{harmless(text).replace('```', '')}\n```"
