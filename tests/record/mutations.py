"""What can be wrong with a run's folder: made by chance, by a seed, or by a stranger who means harm."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from encore.record.checkpoint_files import save

HUGE = 10 * 2**30  # bytes of a file that takes no room on the disk
STEERING = "\x1b]0;title\x07\x1b[2J\u202e"
WRONG: dict[str, Any] = {
    "null": None, "true": True, "negative": -1, "huge number": 10**400, "fraction": 1.5, "no text": "", "a text": "x",
    "half a character": "\ud800", "a long text": "a" * 100_000, "a list": [], "a dict": {}, "lists": [[]],
    "dicts": {"a": {"b": [1]}}, "steers the terminal": STEERING, "lines": "a\nb\n", "a formula": "=1+1",
}  # fmt: skip
JSON = ("result.json", "manifest.json", "checkpoints/digests.json")
FILES = (
    "config.yaml", "metrics.csv", "losses.f32", "checkpoints/last.ckpt", "checkpoints/best.ckpt", *JSON,
    "record.sha256", "train.log", ".lock",
)  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """Something that is wrong with a run's folder.

    Attributes:
        name: what.
        apply: does it to a copy; a file beside the runs is somebody else's.
    """

    name: str
    apply: Callable[[Path], None]


def paths(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in plain values, of long lists and dicts the first few."""
    items = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    for key, value in items if len(items) <= 25 else items[:3]:
        yield (*above, key)
        yield from paths(value, (*above, key))


def put(content: Any, place: tuple[Any, ...], value: Any) -> None:
    """Set a value in plain values."""
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = value


def taken_out(content: Any, place: tuple[Any, ...]) -> None:
    """Remove a value from plain values."""
    for key in place[:-1]:
        content = content[key]
    del content[place[-1]]


def of_json(run: Path) -> Iterator[Mutation]:
    """Every field of every JSON with every wrong kind of value, and without it."""
    for name in JSON:
        for place in paths(json.loads((run / name).read_text())):
            said = f"{name} {'.'.join(map(str, place))}"
            for kind, value in WRONG.items():

                def change(folder: Path, name=name, place=place, value=value) -> None:
                    content = json.loads((folder / name).read_text())
                    put(content, place, value)
                    (folder / name).write_text(json.dumps(content))

                yield Mutation(f"{said}: {kind}", change)

            def remove(folder: Path, name=name, place=place) -> None:
                content = json.loads((folder / name).read_text())
                taken_out(content, place)
                (folder / name).write_text(json.dumps(content))

            yield Mutation(f"{said}: taken out", remove)
        for kind, text in {
            "a list": "[]", "a number": "7", "not a number": '{"a": NaN}', "deep": "[" * 100_000,
            "many digits": '{"status": ' + "9" * 10_000 + "}", "no UTF-8": "\udcff",
        }.items():  # fmt: skip
            yield Mutation(
                f"{name}: {kind}",
                lambda folder, name=name, text=text: (folder / name).write_bytes(text.encode(errors="surrogateescape")),
            )


def of_config(run: Path) -> Iterator[Mutation]:
    """Every setting of config.yaml with every wrong kind of value."""
    for place in paths(yaml.safe_load((run / "config.yaml").read_text())):
        for kind, value in WRONG.items():

            def change(folder: Path, place=place, value=value) -> None:
                content = yaml.safe_load((folder / "config.yaml").read_text())
                put(content, place, value)
                (folder / "config.yaml").write_text(yaml.safe_dump(content))

            yield Mutation(f"config.yaml {'.'.join(map(str, place))}: {kind}", change)


def put_in_place(file: Path, kind: str) -> None:
    """Put something else in the place of a file or folder."""
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink()
    elsewhere = file.parents[2 + file.parent.name.startswith("checkpoints")] / "elsewhere"
    match kind:
        case "a folder":
            file.mkdir()
        case "a pipe":
            os.mkfifo(file)
        case "endless":
            file.symlink_to("/dev/zero")
        case "a loop of links":
            file.symlink_to(file.name)
        case "a link elsewhere":
            file.symlink_to(elsewhere)
        case "huge":
            with file.open("wb") as stream:
                stream.truncate(HUGE)
        case "empty":
            file.write_bytes(b"")
        case "noise":
            file.write_bytes(random.Random(0).randbytes(5000))


def longer(file: Path) -> None:
    """Add to a file."""
    with file.open("ab") as stream:
        stream.write(b"more")


def of_files(run: Path) -> Iterator[Mutation]:
    """Something else in the place of every file, and parts of it."""
    kinds = (
        "a folder",
        "a pipe",
        "endless",
        "a loop of links",
        "a link elsewhere",
        "huge",
        "empty",
        "noise",
        "nothing",
    )
    for name in FILES:
        for kind in kinds:
            yield Mutation(f"{name}: {kind}", lambda folder, name=name, kind=kind: put_in_place(folder / name, kind))
        yield Mutation(
            f"{name}: half", lambda folder, name=name: os.truncate(folder / name, (folder / name).stat().st_size // 2)
        )
        yield Mutation(f"{name}: more", lambda folder, name=name: longer(folder / name))
    for kind in ("a loop of links", "a link elsewhere", "a pipe", "nothing"):
        yield Mutation(f"checkpoints: {kind}", lambda folder, kind=kind: put_in_place(folder / "checkpoints", kind))


def of_checkpoints(run: Path) -> Iterator[Mutation]:
    """Other contents, with the digests that belong to them."""
    good = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    others: dict[str, Any] = {
        "a list": [1, 2], "nothing": {}, "numbers for names": {1: 2}, "no weights": {"epoch": 1},
        "a list of weights": {**good, "state_dict": []}, "texts for weights": {**good, "state_dict": {"a": "b"}},
        "a text for a weight": {**good, "state_dict": dict.fromkeys(good["state_dict"], "x")},
        "other weights": {**good, "state_dict": {"a": torch.zeros(3)}},
        "other shapes": {**good, "state_dict": {name: torch.zeros(1) for name in good["state_dict"]}},
        "not finite": {**good, "state_dict": {name: w * float("nan") for name, w in good["state_dict"].items()}},
        "a tensor": torch.zeros(3),
    }  # fmt: skip
    for name in ("best.ckpt", "last.ckpt"):
        for kind, content in others.items():

            def change(folder: Path, name=name, content=content) -> None:
                given = content if isinstance(content, dict) else Other(content)
                save(given, folder / "checkpoints" / name)

            yield Mutation(f"{name}: {kind}", change)


class Other(dict):
    """What is saved as something else than a dict."""

    def __init__(self, content: Any) -> None:
        super().__init__()
        self.content = content

    def __reduce__(self) -> Any:
        return (
            (type(self.content), (self.content,)) if isinstance(self.content, list) else self.content.__reduce_ex__(2)
        )


def of_metrics(run: Path) -> Iterator[Mutation]:
    """Other cells in metrics.csv."""
    cells = {
        "a word": "x", "negative": "-1", "many digits": "9" * 400, "beyond all numbers": "1e999",
        "a long cell": "1" * 200_000, "not a number": "nan", "steers the terminal": STEERING, "NUL": "\0",
    }  # fmt: skip
    for column in range(4):
        for kind, cell in cells.items():

            def change(folder: Path, column=column, cell=cell) -> None:
                head, *rows = (folder / "metrics.csv").read_text().splitlines()
                row = rows[-1].split(",")
                row[column] = cell
                (folder / "metrics.csv").write_text("\n".join([head, *rows[:-1], ",".join(row)]) + "\n")

            yield Mutation(f"metrics.csv column {column}: {kind}", change)


def mutations(run: Path, count: int, seed: int = 0) -> list[Mutation]:
    """So many things that can be wrong with a run's folder, as many of each kind, drawn by a seed."""
    drawn = random.Random(seed)
    kinds = [list(of(run)) for of in (of_json, of_files, of_checkpoints, of_config, of_metrics)]
    for kind in kinds:
        drawn.shuffle(kind)
    found = [mutation for turn in range(count) for kind in kinds if turn < len(kind) for mutation in [kind[turn]]]
    return found[:count]
