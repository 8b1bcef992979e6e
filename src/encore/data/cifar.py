"""CIFAR-100 with a choice of its labels."""

import pickle
from pathlib import Path

from torchvision import datasets


class CIFAR100(datasets.CIFAR100):
    """torchvision's CIFAR-100 (Krizhevsky 2009), with the 100 fine or the 20 coarse labels."""

    def __init__(self, root: str, train: bool = True, labels: str = "fine", download: bool = False) -> None:
        if labels not in ("fine", "coarse"):
            raise ValueError(f"labels must be fine or coarse, not {labels!r}")
        super().__init__(root, train=train, download=download)
        if labels == "coarse":
            self.targets = []
            for file, _ in self.train_list if self.train else self.test_list:
                # The format is a pickle; its MD5 was compared with the published one just now.
                content = (Path(self.root) / self.base_folder / file).read_bytes()
                self.targets.extend(pickle.loads(content, encoding="latin1")["coarse_labels"])  # noqa: S301
