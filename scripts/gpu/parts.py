"""The parts of a check of a GPU; each is tried in a process of its own.

On a machine without a GPU they measure on its CPU what there is to measure, in small sizes.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.datasets import Place

from encore.config import places
from encore.config.accelerator import cuda_devices
from encore.errors import InputError
from gpu.rows import FAILED, NO_GPU, NOT_MEASURED, Row

ROOT = places.engine().parent
TRAIN = str(ROOT / "train.py")
MLP = ("model=mlp", "model.widths=[128]", "optim=adam")


def device(place: Place) -> Iterator[Row]:
    """Which GPU, driver and build of torch there are."""
    from encore.config.accelerator import torch_build
    from encore.provenance.environment import driver, gpus

    yield Row("device", f"torch {torch_build()}", note=f"driver {driver() or 'none'}")
    if place.accelerator != "cuda":
        yield Row("device", "CUDA", NOT_MEASURED, note=NO_GPU)
    for gpu in gpus() if place.accelerator == "cuda" else ():
        memory = gpu["memory_bytes"] / 2**30
        yield Row("device", gpu["name"], value=memory, unit="GiB", note=f"compute capability {gpu['capability']}")


def tests(place: Place) -> Iterator[Row]:
    """The tests that are marked `gpu`."""
    what = "tests marked gpu"
    if find_spec("pytest") is None:
        yield Row("tests", what, NOT_MEASURED, note="pytest is not installed")
        return
    words = [
        sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers",
        "-q", "-m", "gpu", "tests/gpu",
    ]  # fmt: skip
    answer = subprocess.run(words, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False)
    said = answer.stdout.strip().splitlines() or [answer.stderr.strip()]
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|skipped|errors?)", said[-1])}
    if answer.returncode == 0 and not counts.get("passed"):
        yield Row("tests", what, NOT_MEASURED, value=counts.get("skipped"), unit="skipped", note=NO_GPU)
    elif answer.returncode == 0:
        yield Row("tests", what, value=counts["passed"], unit="passed")
    else:
        failed = [line for line in said if line.startswith(("FAILED", "ERROR"))] or said[-1:]
        yield Row("tests", what, FAILED, note="; ".join(failed))


def tax(place: Place) -> Iterator[Row]:
    """An epoch over one of the loop written by hand, which ends in the same bits."""
    from benchmarks.training import MLP as NET
    from benchmarks.training import trainer_tax

    small = ["data.fraction=0.0214", "data.val_fraction=0.002"]
    few = [] if place.accelerator == "cuda" else ["data.fraction=0.1", "data.val_fraction=0.01"]
    measured: dict[str, Sequence[str]] = {
        "trainer_tax_b512": [*NET, "data.batch_size=512", *few],
        "trainer_tax_b64": [*NET, "data.batch_size=64", *few],
        "trainer_tax_cnn": ["model=cnn", "optim=adam", "data.batch_size=128", *small],
    }
    for key, settings in measured.items():
        figure = trainer_tax(place, list(settings), pairs=9 if place.accelerator == "cuda" else 3)
        yield Row("tax", key, value=figure.value, unit="×", note="an epoch over one by hand, which gives the same bits")


def settings_cnn(place: Place) -> Iterator[Row]:
    """What each setting for speed gains with the small CNN."""
    yield from gains(place, "settings_cnn", "cnn", examples=50_000 if place.accelerator == "cuda" else 256)


def settings_resnet18(place: Place) -> Iterator[Row]:
    """What each setting for speed gains with ResNet-18."""
    yield from gains(place, "settings_resnet18", "resnet18", examples=20_000 if place.accelerator == "cuda" else 32)


# By what is compared: the settings of the slower side, as it is hoped, and of the faster one, and whether a CPU has it.
COMPARED: dict[str, tuple[list[str], list[str], bool]] = {
    "steps_per_execution": (["steps_per_execution=1"], [], True),
    "channels_last": (["trainer.channels_last=false"], [], True),
    "bf16": ([], ["trainer.precision=bf16-mixed"], False),
    "tf32": (["trainer.tf32=false"], ["trainer.tf32=true"], False),
    "compile": ([], ["trainer.compile=true"], False),
    "cuda_graphs": ([], ["trainer.cuda_graphs=true"], False),
}


def gains(place: Place, part: str, model: str, examples: int) -> Iterator[Row]:
    """Seconds of an epoch with each setting, over those without it."""
    known: dict[tuple[str, ...], float] = {}

    def seconds(words: list[str]) -> float:
        if tuple(words) not in known:
            known[tuple(words)] = epoch(place, [f"model={model}", *pictures(place, examples), *words])
        return known[tuple(words)]

    for name, (slow, fast, on_cpu) in COMPARED.items():
        what = f"{model}: {name}, gain"
        if place.accelerator != "cuda" and not on_cpu:
            yield Row(part, what, NOT_MEASURED, note=NO_GPU)
            continue
        try:
            one, other = seconds(slow), seconds(fast)
        except Exception as problem:
            yield Row(part, what, FAILED, note=said(problem))
        else:
            yield Row(part, what, value=one / other, unit="×", note=f"{one:.3g} s an epoch, with it {other:.3g} s")


def pictures(place: Place, examples: int) -> list[str]:
    """The settings of random pictures of CIFAR's shape."""
    return [*place.arrays(examples, [3, 32, 32]), f"data.batch_size={min(512, examples // 2)}", "optim=momentum"]


def epoch(place: Place, words: list[str]) -> float:
    """The median seconds of an epoch but the first, which warms up, and the last: the GPU's, or the CPU's."""
    from benchmarks.epochs import encore_epochs

    epochs = 5 if place.accelerator == "cuda" else 3
    _, seconds = encore_epochs([*place.settings, *words, f"trainer.max_epochs={epochs}"])
    return median(one.counted for one in seconds[1:])


def resnet(place: Place) -> Iterator[Row]:
    """ResNet-18 with flips and crops on random pictures of CIFAR's shape, seconds an epoch."""
    examples = 50_000 if place.accelerator == "cuda" else 32
    fast = ["trainer.precision=bf16-mixed", "trainer.tf32=true"] if place.accelerator == "cuda" else []
    for what, more in {"": [], ", bf16": fast, ", bf16 and compiled": [*fast, "trainer.compile=true"]}.items():
        name = f"ResNet-18, {examples:,} pictures{what}"
        if what and not fast:
            yield Row("resnet", name, NOT_MEASURED, note=NO_GPU)
            continue
        try:
            words = ["model=resnet18", "augment=[flip_crop]", *pictures(place, examples), *more]
            yield Row("resnet", name, value=epoch(place, words), unit="s an epoch")
        except Exception as problem:
            yield Row("resnet", name, FAILED, note=said(problem))


def population(place: Place) -> Iterator[Row]:
    """A sweep whose nets train as one batched model, against one after another."""
    from benchmarks.population import gain

    gpu = place.accelerator == "cuda"
    settings = [*place.fashion_mnist(), *MLP, "trainer.max_epochs=5"] if gpu else [*MLP, "trainer.max_epochs=3"]
    members = 32 if gpu else 8
    took = gain(place, settings, members, alone=2 if gpu else 1).typical_seconds()
    value = took["alone"].wall / took["together"].wall  # the CPU's seconds say little of a GPU
    note = f"{took['alone'].wall:.3g} s a run, together {took['together'].wall:.3g} s"
    yield Row("population", f"{members} MLPs as a population, gain", value=value, unit="×", note=note)


def two_at_once(place: Place) -> Iterator[Row]:
    """Two runs at once on one device end in the bits that each has alone."""
    seeds, digests = (1, 2), []
    words = [*place.settings, *(place.fashion_mnist() if place.accelerator == "cuda" else []), *MLP,
             "trainer.max_epochs=2", "threads=1"]  # fmt: skip
    for together in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            commands = [[*words, f"seed={seed}", f"runs_dir={folder}"] for seed in seeds]
            begun: list[subprocess.Popen[str]] = []
            for command in commands:
                begun.append(start(command))
                if not together:
                    finish(begun[-1])
            for process in begun if together else ():
                finish(process)
            digests.append({result["seed"]: result["weights_sha256"] for result in results(Path(folder))})
    same = digests[0] == digests[1] and len(digests[0]) == len(seeds)
    note = "" if same else f"other weights than alone: {digests}"
    yield Row("two_at_once", "two runs at once, bits as alone", "ok" if same else FAILED, note=note)


def memory(place: Place) -> Iterator[Row]:
    """The peak memory of a run, over what its data, weights and optimiser need."""
    from encore.record.reading import read_manifest

    what = "peak GPU memory over data, weights, optimiser"
    if place.accelerator != "cuda":
        yield Row("memory", what, NOT_MEASURED, note=NO_GPU)
        return
    finish(start([*place.settings, *place.fashion_mnist(), *MLP, "trainer.max_epochs=2"]))
    [folder] = (file.parent for file in (place.folder / "runs").rglob("result.json"))
    peak = read_manifest(folder)["peak_memory_bytes"]["cuda"]
    weights = (28 * 28 + 1) * 128 + (128 + 1) * 10
    needed = 60_000 * (28 * 28 + 8) + 3 * 4 * weights  # training pictures and classes; Adam's two means of the gradient
    yield Row("memory", what, value=peak / needed, unit="×", note=f"{peak / 2**20:.0f} MiB")


def tensorboard(place: Place) -> Iterator[Row]:
    """What TensorBoard has of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    finish(start([*place.settings, "trainer.max_epochs=8"]))  # long enough for everything to be shown
    [folder] = (file.parent for file in (place.folder / "runs").rglob("result.json"))
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()
    for kind in ("scalars", "images", "histograms", "tensors"):
        yield Row("tensorboard", kind, value=len(tags[kind]), unit="tags")
    for tag in ("speed/examples_per_second", "speed/gpu_memory_mib", "speed/gpu_busy_percent"):
        if tag in tags["scalars"]:
            yield Row("tensorboard", tag, value=events.Scalars(tag)[-1].value)
        elif place.accelerator != "cuda":
            yield Row("tensorboard", tag, NOT_MEASURED, note=NO_GPU)
        elif tag == "speed/gpu_busy_percent" and find_spec("pynvml") is None:
            yield Row("tensorboard", tag, NOT_MEASURED, note="uv pip install nvidia-ml-py shows it")
        else:
            yield Row("tensorboard", tag, FAILED, note="TensorBoard has no chart of it")


def start(words: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, TRAIN, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    )


def finish(process: "subprocess.Popen[str]") -> None:
    """Wait for a run.

    Raises:
        InputError: it failed.
    """
    _, complaint = process.communicate()
    if process.returncode:
        raise InputError(f"train.py ended with {process.returncode}: {complaint.strip()}")


def results(folder: Path) -> list[dict]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.rglob("result.json"))]


def said(problem: BaseException) -> str:
    """An error in one line."""
    return " ".join(f"{type(problem).__name__}: {problem}".split())


def place_in(folder: Path) -> Place:
    """Where a part works: on the GPU if there is one."""
    return Place(folder, "cuda" if cuda_devices() else "cpu")


# By name, in the order in which they are tried: what is asked first is whether it is right, then how fast.
PARTS: dict[str, Callable[[Place], Iterator[Row]]] = {
    "device": device, "tests": tests, "two_at_once": two_at_once, "memory": memory, "tensorboard": tensorboard,
    "tax": tax, "resnet": resnet, "settings_cnn": settings_cnn, "settings_resnet18": settings_resnet18,
    "population": population,
}  # fmt: skip
