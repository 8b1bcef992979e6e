"""A dataset of items, as a user would write one."""

import numpy as np
import torch


class Sentences:
    def __init__(self, path=None, count=40):
        self.path, self.count = path, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = np.random.default_rng(index)
        words = torch.from_numpy(generator.integers(1, 50, generator.integers(1, 7)))
        return {"words": words, "weight": float(generator.random()), "label": index % 2, "site": "abcd"[index % 4]}


class Words:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {"words": {"not": "numbers"}}


class Nothing:
    def __init__(self):
        self.something = [1, 2]
