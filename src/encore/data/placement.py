"""Where examples are kept while a run trains: on the device, or in files that worker processes read."""

import torch

from encore.data.contract import Source
from encore.data.loaders import Resident, Streamed
from encore.data.named.loader import NamedResident, NamedStreamed
from encore.data.named.named_source import NamedSource
from encore.files import digest

Gather = Resident | Streamed
NamedGather = NamedResident | NamedStreamed


class Placement:
    """Sources placed as a recipe says, once per device, and shared by their splits."""

    def __init__(self, recipe: dict) -> None:
        self.recipe = recipe
        self.placed: dict[tuple[int, torch.device], Gather | NamedGather] = {}

    def of(self, source: Source, device: torch.device) -> Gather | NamedGather:
        key = (id(source), device)
        if key not in self.placed:
            self.placed[key] = self.place(source, device)
        return self.placed[key]

    def place(self, source: Source, device: torch.device) -> Gather | NamedGather:
        recipe, pinned = self.recipe, device.type == "cuda"
        if isinstance(source, NamedSource):
            streamed = NamedStreamed(source, recipe["num_workers"], pinned)
            return NamedResident(source, device) if recipe["resident"] else streamed
        return Resident(source, device) if recipe["resident"] else Streamed(source, recipe["num_workers"], pinned)

    def forget(self, source: Source) -> None:
        """Free the memory that a source takes on every device."""
        self.placed = {key: placed for key, placed in self.placed.items() if key[0] != id(source)}


def examples_sha256(source: Source) -> str:
    """The digest of all that a source has in memory."""
    return digest(source.tensors() or {})
