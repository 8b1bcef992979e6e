"""Start-up time and memory of a process, measured from outside without importing torch."""

import os
import subprocess
import sys
import time

from benchmarks.datasets import Place
from benchmarks.figure import Figure
from benchmarks.seconds import Seconds
from encore.config import places
from encore.errors import InputError

RUNS = 5
ROOT = places.engine().parent
TRAIN = str(ROOT / "train.py")
# Every process exits at once, without torch's clean-up, which takes a second and 100 MB more.
IMPORTS = [sys.executable, "-c", "import os, torch, pytorch_lightning, torchmetrics; os._exit(0)"]

# Runs the script that it is given, as Python does.
SCRIPT = """
import os, runpy, sys

sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    os._exit(end.code)
"""
STEPPED = 87  # an exit code that nothing else has
# Before it: ends train.py with its first optimiser step. Encore imports torch as soon as `execute` has something to
# compute, so that importing it there makes nothing later or earlier.
UNTIL_FIRST_STEP = f"""
import os
import encore.runner.execute

execute = encore.runner.execute.execute

def until_first_step(cfg):
    from torch.optim.optimizer import register_optimizer_step_post_hook

    register_optimizer_step_post_hook(lambda *_: os._exit({STEPPED}))
    return execute(cfg)

encore.runner.execute.execute = until_first_step
"""

# Before it: ends train.py with the first text that it prints.
UNTIL_FIRST_OUTPUT = f"""
import os, sys

class First:
    encoding = "utf-8"

    def write(self, text):
        os._exit({STEPPED})

sys.stdout = First()
"""


def first_output(place: Place) -> Figure:
    """`python train.py` until it says what will run, over a process that imports Hydra and ends."""
    telling = [sys.executable, "-c", UNTIL_FIRST_OUTPUT + SCRIPT, TRAIN, *place.settings, "threads=1"]
    return over(telling, [sys.executable, "-c", "import os, hydra; os._exit(0)"], "first output", STEPPED)


def startup(place: Place) -> Figure:
    """A new process up to the end of its first optimiser step, over one that only imports."""
    stepping = [sys.executable, "-c", UNTIL_FIRST_STEP + SCRIPT, TRAIN, *place.settings, "threads=1"]
    return over(stepping, IMPORTS, "first step", STEPPED)


def whole_command(place: Place) -> Figure:
    """`python train.py`, from the prompt to the prompt, over a process that imports torch and Lightning and ends."""
    command = [sys.executable, TRAIN, "data=digits", f"runs_dir={place.folder / 'whole'}", "fresh=true", "threads=1"]
    return over(command, [sys.executable, "-c", "import torch, pytorch_lightning"], "train.py")


def over(command: list[str], imports: list[str], what: str, expected: int = 0) -> Figure:
    """The CPU time of a process over that of one that only imports, in turns."""
    measured(imports)  # once, to fill the file cache
    processes, bare = [], []
    for _ in range(RUNS):
        processes.append(measured(command, expected)[0])
        bare.append(measured(imports)[0])
    samples = [one.cpu / other.cpu for one, other in zip(processes, bare, strict=True)]
    return Figure.of(samples, {what: processes, "imports": bare})


def help_seconds(place: Place) -> Figure:
    """The help, in CPU seconds."""
    seconds = [measured([sys.executable, TRAIN, "--help"])[0] for _ in range(RUNS)]
    return Figure.of([one.cpu for one in seconds], {"help": seconds})


def memory(place: Place) -> Figure:
    """The peak of a run of two epochs on Fashion-MNIST above that of the imports, over the minimum it needs."""
    run = [
        sys.executable, "-c", SCRIPT, TRAIN, *place.settings, *place.fashion_mnist(), "threads=1",
        "model=mlp", "model.widths=[128]", "optim=adam", "trainer.max_epochs=2",
    ]  # fmt: skip
    data = 70_000 * (28 * 28 + 8)  # bytes of the pictures, and int64 of the classes
    parameters = (28 * 28 + 1) * 128 + (128 + 1) * 10
    needed = data + 3 * 4 * parameters  # float32, with Adam's two means of the gradient
    peaks = [(measured(run)[1], measured(IMPORTS)[1]) for _ in range(RUNS)]
    samples = [(peak - imports) / needed for peak, imports in peaks]
    return Figure.of(
        samples, needed_bytes=needed, peak_bytes=[p for p, _ in peaks], imports_bytes=[i for _, i in peaks]
    )


def measured(command: list[str], expected: int = 0) -> tuple[Seconds, int]:
    """What a process took: its seconds, and its peak memory in bytes.

    A child's peak begins at that of this process, so that this one must still be small.

    Raises:
        InputError: it did not end as expected.
    """
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    assert child.stderr is not None
    with child.stderr:
        said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != expected:
        raise InputError(f"{' '.join(command)} ended with {child.returncode}, not {expected}:\n{said}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Seconds(usage.ru_utime + usage.ru_stime, wall), usage.ru_maxrss * unit
