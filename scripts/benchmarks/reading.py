"""One epoch of reading pictures, without a net, in a process of its own: `python -m benchmarks.reading SIDE FOLDER`."""

import json
import os
import resource
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BATCH, WORKERS, SIZE = 128, 2, 64


def main() -> None:
    side, folder = sys.argv[1:]
    import pytorch_lightning  # noqa: F401 (what both sides import is not counted)
    import torchvision  # noqa: F401

    import encore.data.module  # noqa: F401

    imported, begun = peak(), time.perf_counter()
    batches = usual(folder) if side == "usual" else ours(side, folder)
    pictures, first, took = 0, 0.0, seconds()
    for inputs, _ in batches:
        first = first or time.perf_counter() - begun
        pictures += len(inputs)
    wall, cpu = time.perf_counter() - begun - first, seconds() - took
    said = {"pictures": pictures, "first": first, "wall": wall, "cpu": cpu}
    print(
        json.dumps(
            said | {"peak": peak() - imported, "worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10}
        )
    )


def seconds() -> float:
    """CPU seconds of this process and of the workers that have ended."""
    return sum(os.times()[:4])


def peak() -> float:
    """Peak memory of this process, MiB; unlike `ru_maxrss`, not that of the one that started it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def ours(side: str, folder: str) -> Iterable[Any]:
    """The batches of Encore: of `images`, or of what `packed` names."""
    import torch

    from encore.config.compose import config_from
    from encore.data.module import DataModule

    where = {"data": "images", "data.root": folder} if side == "images" else {"data": "packed", "data.path": folder}
    cfg = config_from(where | {
        "data.shape": [3, SIZE, SIZE], "data.num_classes": 10, "data.resident": False, "data.num_workers": WORKERS,
        "data.batch_size": BATCH, "data.val_fraction": 0.0, "data.test_fraction": 0.0,
        "data.normalize": {"mean": [0.5], "std": [0.5]},
    })  # fmt: skip
    data = DataModule(cfg["data"], cfg["data_dir"], seed=0)
    data.setup()
    progress = SimpleNamespace(current=SimpleNamespace(ready=0))
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        current_epoch=0,
        global_rank=0,
        world_size=1,
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress)),
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return data.train_dataloader()


def usual(folder: str) -> Iterable[Any]:
    """The batches of torchvision's ImageFolder and torch's DataLoader."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)])
    return DataLoader(datasets.ImageFolder(folder, change), BATCH, shuffle=True, num_workers=WORKERS)


if __name__ == "__main__":
    main()
