"""Packed datasets: what reading them costs, beside a folder of pictures and torchvision's ImageFolder."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.datasets import Place
from benchmarks.epochs import encore_epochs
from benchmarks.figure import Figure
from benchmarks.processes import ROOT
from benchmarks.reading import SIZE, WORKERS
from benchmarks.seconds import Seconds

PICTURES = int(os.environ.get("BENCHMARK_PICTURES", "20000"))
FEW = 1280  # pictures that a net is trained on: ten batches
TURNS = 3
CLASSES = 10


def packed_reading(place: Place) -> Figure:
    """An epoch of ImageFolder with a DataLoader, over one of the same files packed."""
    return compared(place, "packed", pictures(place), "files")


def packed_arrays(place: Place) -> Figure:
    """The same, over one that was packed as arrays."""
    return compared(place, "arrays", pictures(place), "arrays")


def folder_reading(place: Place) -> Figure:
    """The same, over Encore on the folder itself."""
    return compared(place, "images", pictures(place), None)


def compared(place: Place, side: str, folder: Path, stored: str | None) -> Figure:
    """Turns of both sides, CPU seconds; further figures of each side beside them."""
    ours, more = folder, {}
    if stored is not None:
        ours, more["pack"] = packed(place, folder, stored)
    mine: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for _ in range(TURNS):
        mine.append(read(side, ours))
        theirs.append(read("usual", folder))
    samples = [other["cpu"] / one["cpu"] for one, other in zip(mine, theirs, strict=True)]
    more |= {"Encore": described(mine), "ImageFolder": described(theirs)}
    took = {
        name: [Seconds(each["cpu"], each["wall"]) for each in runs]
        for name, runs in (("Encore", mine), ("ImageFolder", theirs))
    }
    return Figure.of(samples, took, **more)


def described(runs: list[dict[str, float]]) -> dict[str, float]:
    """Medians: pictures a second, seconds to the first batch, MiB above the imports and of a worker."""
    kept = {key: median(run[key] for run in runs) for key in ("first", "peak", "worker")}
    rates = {f"pictures a second, {key}": median(run["pictures"] / run[key] for run in runs) for key in ("cpu", "wall")}
    return {name: round(value, 2) for name, value in (rates | kept).items()}


def read(side: str, folder: Path) -> dict[str, float]:
    """One epoch in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.reading", side, str(folder)]
    paths = os.pathsep.join([str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")])
    answer = subprocess.run(
        words, check=True, capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONPATH": paths}
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def packed(place: Place, folder: Path, stored: str) -> tuple[Path, dict[str, float]]:
    """The pictures packed by the command, and what that cost."""
    out = place.folder / f"{folder.name}-as-{stored}"
    words = [sys.executable, "-m", "encore", "pack", str(folder), "--out", str(out)]
    begun = time.perf_counter()
    if not out.exists():
        shape = ["--shape", f"3,{SIZE},{SIZE}"] if stored == "arrays" else []
        subprocess.run([*words, *shape], check=True, capture_output=True)
    size = sum(file.stat().st_size for file in out.iterdir())
    return out, {"seconds": round(time.perf_counter() - begun, 1), "MiB": round(size / 2**20, 1)}


def pictures(place: Place, number: int = PICTURES) -> Path:
    """Random JPEGs, a folder a class; smooth ones, so that they are as large as photographs of their size."""
    from PIL import Image

    folder = place.folder / f"{number}-jpegs"
    generator = np.random.default_rng(0)
    for index in range(0 if folder.exists() else number):
        file = folder / f"class{index % CLASSES}" / f"{index:07}.jpg"
        if index < CLASSES:
            file.parent.mkdir(parents=True)
        coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        held = io.BytesIO()
        coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(held, "JPEG", quality=90)
        file.write_bytes(held.getvalue())
    return folder


def packed_training(place: Place) -> Figure:
    """An epoch of the small CNN on packed pictures, read by two workers, over one on the same pictures in memory."""
    folder, _ = packed(place, pictures(place, FEW), "files")
    overrides = [
        *place.settings, "data=packed", f"data.path={folder}", f"data.shape=[3,{SIZE},{SIZE}]",
        f"data.num_classes={CLASSES}", "data.batch_size=128", "data.normalize={mean:[0.5],std:[0.5]}",
        "data.val_fraction=0", "data.test_fraction=0", "model=cnn", "trainer.max_epochs=4",
    ]  # fmt: skip
    took: dict[str, list[Seconds]] = {"packed": [], "in memory": []}
    for _ in range(2):
        for side, resident in (("packed", "false"), ("in memory", "true")):
            _, seconds = encore_epochs([*overrides, f"data.resident={resident}"], threads=WORKERS)
            took[side] += seconds[1:]  # the first warms up
    samples = [one.wall / other.wall for one, other in zip(*took.values(), strict=True)]
    return Figure.of(samples, took)
