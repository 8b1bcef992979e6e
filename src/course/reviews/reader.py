"""A finished run that reads texts: what it says of them, and of each of their words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from course.reviews.dataset import Reviews
from course.reviews.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from course.reviews.words import words
from encore.config.build import build
from encore.data.named.loader import Assembly
from encore.data.named.named_source import ColumnSource
from encore.data.named.ragged import Ragged, ends
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST
from encore.record.result import Result
from encore.runner.parts import Parts
from encore.runner.restored_run import restored_run

FIELD = "inputs.tokens"


@dataclass(frozen=True)
class Reader:
    """A run's net with its vocabulary.

    Attributes:
        folder: the run's.
        parts: its live objects.
        vocabulary: of its training examples.
        reviews: the training set that its training examples are of.
        batch: how many texts are read at once.
    """

    folder: Path
    parts: Parts
    vocabulary: Vocabulary
    reviews: Reviews
    batch: int

    @property
    def title(self) -> str:
        run = Result.read(self.folder)
        return f"{run.name}, seed {run.seed}"

    def tokens(self, text: str) -> Tensor:
        """A text's token ids: its start, and those words that are read."""
        return self.vocabulary.tokens(words(text))

    def logits(self, texts: Sequence[Tensor]) -> Tensor:
        """How much a net takes texts for praise, float32 [n]: 0 is undecided.

        Args:
            texts: their token ids.
        """
        found = [self.of_batch(texts[place : place + self.batch]) for place in range(0, len(texts), self.batch)]
        return torch.cat(found) if found else torch.zeros(0)

    def of_batch(self, texts: Sequence[Tensor]) -> Tensor:
        lengths = torch.tensor([len(text) for text in texts])
        return self.of_source(Ragged(torch.cat(list(texts)), ends(lengths)), torch.arange(len(texts)))

    def of_source(self, texts: Ragged, indices: Tensor) -> Tensor:
        """Logits of some of the texts, computed as in the run's test."""
        fields = [field for field in self.parts.data.source.fields if field.id == FIELD]
        source, precision = ColumnSource("texts", fields, {FIELD: texts}, None), self.parts.trainer.precision_plugin
        assembly, found = Assembly(fields, {}, self.parts.task.device), []
        with torch.inference_mode():
            for chunk in indices.split(self.batch):
                inputs, _ = assembly(source.raw(chunk))
                with precision.forward_context():
                    found.append(self.parts.task(inputs)[:, 0].float().cpu())
        return torch.cat(found)

    def contributions(self, text: Tensor) -> Tensor:
        """By how much each token moves the logit: what it loses where the token is unknown, [n]; 0 for the start."""
        found, whole = torch.zeros(len(text)), self.logits([text])
        for places in torch.arange(1, len(text)).split(self.batch):
            without = text.repeat(len(places), 1)
            without[torch.arange(len(places)), places] = UNKNOWN
            found[places] = whole - self.logits(list(without))
        return found

    def weights(self) -> Tensor:
        """By how much each word of the vocabulary alone moves the logit of an empty text, [words]."""
        empty = self.vocabulary.tokens([])
        ids = torch.arange(SPECIAL, SPECIAL + len(self.vocabulary.words), dtype=torch.int32)
        return self.logits([torch.cat([empty, one]) for one in ids[:, None]]) - self.logits([empty])


@contextmanager
def reader(folder: Path, data_dir: Path | None = None) -> Iterator[Reader]:
    """A finished run's reader.

    Raises:
        InputError: the run, its checkpoint or its data cannot be used, or it reads no reviews.
    """
    cfg = recorded_config(folder)
    if data_dir is not None:
        cfg["data_dir"] = str(data_dir)
    prepare, train = (str((cfg["data"].get(name) or {}).get("_target_")) for name in ("prepare", "train"))
    if prepare != target(Vocabulary) or train != target(Reviews) or cfg["task"].get("num_outputs") != 1:
        raise InputError(f"{folder} is no run of task=binary on data=imdb: it does not say what is praise")
    with restored_run(folder, cfg, BEST) as parts:
        vocabulary = parts.data.preparation
        assert isinstance(vocabulary, Vocabulary)
        reviews = build({"root": cfg["data_dir"], **cfg["data"]["train"]}, what="data.train")
        yield Reader(folder, parts, vocabulary, reviews, cfg["data"]["eval_batch_size"])


def target(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
