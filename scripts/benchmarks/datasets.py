"""What is trained on: Fashion-MNIST where it is, else random data of its shape; and arrays of any size."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encore.config.compose import config_from


@dataclass(frozen=True)
class Place:
    """Where things are while figures are measured."""

    folder: Path  # of its own, deleted at the end
    accelerator: str  # cpu or cuda
    overrides: tuple[str, ...] = ()  # of the run whose records are measured

    @property
    def settings(self) -> list[str]:
        """What every run has in common."""
        return [
            f"runs_dir={self.folder / 'runs'}",
            f"trainer.accelerator={self.accelerator}",
            "fresh=true",
        ]

    def fashion_mnist(self) -> list[str]:
        """The settings of Fashion-MNIST; where it is not, random data of its shape are in its place."""
        overrides = ["data=fashion_mnist"]
        if is_fashion_mnist(Path(config_from(overrides)["data_dir"])):
            return overrides
        folder = self.folder / "random"
        if not is_fashion_mnist(folder):
            write_idx(folder, "train", 60_000)
            write_idx(folder, "t10k", 10_000)
        return [*overrides, f"data_dir={folder}", "data.sha256=null"]

    def arrays(self, examples: int, shape: Sequence[int]) -> list[str]:
        """The settings of random bytes, all of them for training."""
        file = self.folder / f"{examples}x{'x'.join(map(str, shape))}.npz"
        if not file.exists():
            generator = np.random.default_rng(0)
            np.savez(
                file,
                x=generator.integers(0, 256, (examples, *shape), dtype=np.uint8),
                y=np.arange(examples) % 10,
            )
        return [
            "data=npz", f"data.path={file}", f"data.shape=[{','.join(map(str, shape))}]", "data.num_classes=10",
            "data.val_fraction=0", "data.test_fraction=0",
        ]  # fmt: skip

    def texts(self, number: int) -> list[str]:
        """The settings of random texts, as long as IMDB's reviews: half have 180 tokens, one in a hundred has 930."""
        file = self.folder / f"{number}-texts.npz"
        if not file.exists():
            generator = np.random.default_rng(0)
            lengths = np.exp(generator.normal(5.2, 0.7, number)).astype(np.int64) + 1
            tokens = generator.integers(1, 20_000, lengths.sum(), dtype=np.int32)
            np.savez(file, tokens=tokens, starts=np.cumsum([0, *lengths[:-1]]), label=np.arange(number) % 2)
        fields = "data.inputs={tokens: {offsets: starts, ragged: pack}}"
        small = ["data.test_fraction=0.01", "data.num_classes=2"]
        return ["data=arrays", f"data.path={file}", fields, "data.targets=label", *small]

    def writers(self, number: int, each: int = 100) -> list[str]:
        """The settings of random pictures of 28 × 28 bytes, so many by each of the writers, as many as MNIST has."""
        file = self.folder / f"{number}-writers.npz"
        if not file.exists():
            pictures = np.random.default_rng(0).integers(0, 256, (number * each, 28, 28), dtype=np.uint8)
            np.savez(file, picture=pictures, writer=np.arange(number * each) % number)
        fields = ["data.inputs=picture", "data.targets=writer", "data.shape=[1,28,28]", f"data.num_classes={number}"]
        return ["data=arrays", f"data.path={file}", *fields, "data.test_fraction=0.01"]


def is_fashion_mnist(data_dir: Path) -> bool:
    """Whether torchvision would find it there."""
    parts = [f"{prefix}-{kind}" for prefix in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    return all((data_dir / "FashionMNIST" / "raw" / part).is_file() for part in parts)


def write_idx(data_dir: Path, prefix: str, examples: int) -> None:
    """Write random pictures of 28 × 28 bytes, and classes, in the format of Fashion-MNIST."""
    raw = data_dir / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(examples)
    for kind, array in (
        ("images-idx3-ubyte", generator.integers(0, 256, (examples, 28, 28), dtype=np.uint8)),
        ("labels-idx1-ubyte", generator.integers(0, 10, examples, dtype=np.uint8)),
    ):
        header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
        (raw / f"{prefix}-{kind}").write_bytes(header + array.tobytes())
