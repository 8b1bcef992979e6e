"""A finished run's model, to be used: `encore.load`."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from encore.config.accelerator import at_hand
from encore.config.build import build
from encore.config.compose import with_data_from
from encore.config.facts import encores_task
from encore.data.batch import AnyBatch
from encore.data.contract import Source
from encore.data.offline import downloads_refused
from encore.errors import ConfigError, InputError
from encore.files import read_whole
from encore.provenance.files_read import check_unchanged
from encore.provenance.trust import check_config, recorded_config
from encore.record import seal
from encore.record.checkpoint_files import BEST, weights
from encore.record.inputs import PREPARATION, described, kept_preparation
from encore.record.reading import read_manifest
from encore.record.result import Result
from encore.runner.parts import adapt, build_data, build_task
from encore.runner.quiet import quiet
from encore.runner.torch_settings import allow_tf32, compile_net
from encore.use.batches import Batches
from encore.use.inputs import Inputs
from encore.use.predictions import Predictions, joined, predictions

if TYPE_CHECKING:
    import pandas as pd

# Settings of the Trainer on which the last bits of an output depend.
OF_BITS = ("benchmark", "deterministic", "precision")
LARGEST_METRICS = 2**30  # bytes of metrics.csv


class Model:
    """A finished run's best weights in evaluation mode, with its normalisation.

    Attributes:
        folder: the run's.
        result: what came out.
        config: what it was made of.
        task: the LightningModule; `task.net` is the net.
        device: where it computes.
    """

    def __init__(self, folder: Path, cfg: dict, held: dict[str, Any], device: str | torch.device | None) -> None:
        self.folder, self.config, self.held = folder, cfg, held
        self.result = Result.read(folder)
        self.trainer = trainer_on(cfg, device)
        self.device = self.trainer.strategy.root_device
        self.task = self.restored()

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes; None if they have none, or only a data module that cannot be built here knows them."""
        if not self.by_batches:
            return self.inputs.classes
        try:
            return self.inputs.classes
        except (ConfigError, InputError):
            return None

    @property
    def metrics(self) -> "pd.DataFrame":
        """Every value that was logged, a row a step or epoch."""
        import pandas as pd

        seal.check(self.folder, "metrics.csv")
        return pd.read_csv(io.BytesIO(read_whole(self.folder / "metrics.csv", LARGEST_METRICS)))

    @cached_property
    def data(self) -> Any:
        """The data module, set up; built when it is asked for.

        Raises:
            InputError: the data are not here, or not those of the run.
        """
        check_unchanged(self.held["data"]["files"], self.config)
        check_config(self.config, self.held, self.folder)
        with (
            quiet(),
            isolate_rng(),
            downloads_refused("--data-dir says where it is, or encore fetch_data {name} fetches it"),
        ):
            data = build_data(self.config)
            if not getattr(data, "by_place", False):
                data.setup("test")
        data.trainer = self.trainer
        return data

    @cached_property
    def by_batches(self) -> bool:
        """Whether only the data module's batches tell what the net's inputs are, as it is not Encore's."""
        return (self.held["inputs"] if "inputs" in self.held else described(self.data)) is None

    @cached_property
    def own_batches(self) -> Batches:
        """The examples of a data module that is not Encore's."""
        return Batches(self.data, self.config)

    @cached_property
    def inputs(self) -> Inputs:
        """What makes the net's inputs of raw examples; of a data module that is not Encore's they are what it takes.

        A run of an earlier version did not record it: it is then found in its data.
        """
        if self.by_batches:
            return self.own_batches.inputs()
        held, prepare = self.held.get("inputs"), self.config["data"].get("prepare")
        kept = kept_preparation(self.folder) if prepare and held else None
        if held is None or (prepare and kept is None):
            found = described(self.data)
            assert found is not None
            return Inputs(self.config["data"], found, self.data.preparation)
        preparation = None
        if prepare:
            preparation = build(prepare, what="data.prepare")
            if kept is None or set(kept) != set(vars(preparation)):
                raise InputError(f"{self.folder / PREPARATION} is not what data.prepare of the run keeps")
            vars(preparation).update(kept)
        return Inputs(self.config["data"], held, preparation)

    def restored(self) -> pl.LightningModule:
        """The task with the best weights."""
        cfg, checkpoint = self.config, self.folder / "checkpoints" / BEST
        seal.check(self.folder, f"checkpoints/{BEST}")
        held = weights(checkpoint)
        with quiet(), isolate_rng():  # building seeds the generators, which are the caller's
            task = build_task(cfg)
            if hasattr(task, "adapt_to"):
                # A task of Encore's takes the targets' normalisation alone.
                known = "inputs" in self.held and encores_task(cfg)
                adapt(task, Targets(None if self.by_batches else self.inputs.target_affine) if known else self.data)
            self.trainer.precision_plugin.convert_module(task)
            try:
                task.load_state_dict(held)
            except RuntimeError as problem:
                raise InputError(f"{checkpoint} does not fit the run's model: {problem}") from problem
        if hasattr(task, "net"):
            compile_net(cfg["trainer"], task.net, self.device)  # type: ignore[arg-type]
        return task.to(self.device).eval()

    def predict(self, examples: Any) -> Predictions:
        """What the model says of raw examples.

        Args:
            examples: as the dataset has them: an array [n, *shape] of bytes or numbers, or arrays by name. Where the
                data module is not Encore's, they are what the net takes.

        Raises:
            InputError: they are not like the training examples.
        """
        if self.by_batches:
            return self.predictions(torch.as_tensor(examples))
        return self.predictions(self.inputs.source(examples))

    def texts(self, texts: Sequence[str]) -> Source:
        """Texts as raw examples, by the dataset's `data.from_text`.

        Raises:
            InputError: the model reads no texts, or these cannot be read.
        """
        if self.from_text is None or self.by_batches:
            raise InputError(
                f"{self.folder} reads no texts: data.from_text in the dataset's config names what makes arrays of them "
                "(docs/data.md)"
            )
        return self.inputs.named(build(self.from_text, list(texts), what="data.from_text"))

    @cached_property
    def from_text(self) -> dict[str, Any] | None:
        """The recipe of what makes arrays of texts; None for a model that reads none.

        A run from before there was such a setting has that of its dataset's own config.
        """
        recipe: dict[str, Any] | None = self.config["data"].get("from_text")
        if recipe is None and "inputs" not in self.held and self.config["data"].get("inputs") is not None:
            with suppress(ConfigError):
                recipe = with_data_from({"data": self.config["data"]["name"]})["data"].get("from_text")
        return recipe

    def predictions(self, source: Source | Tensor, indices: Tensor | None = None) -> Predictions:
        """The same of some examples of a source, or all, or of a net's inputs as they are."""
        return predictions(self.task, self.outputs(source, indices), self.classes)

    def outputs(self, source: Source | Tensor, indices: Tensor | None = None) -> Tensor:
        """The net's outputs for some examples, or all, on the CPU, computed as in the run's test."""
        indices = torch.arange(len(source)) if indices is None else indices
        if not len(indices):
            raise InputError("there are no examples")
        precision, found = self.trainer.precision_plugin, []
        with self.computing():
            for inputs, _ in self.batches(source, indices):
                with precision.forward_context(), self.explained(inputs):
                    found.append(self.task(precision.convert_input(inputs)))
        if not all(isinstance(part, Tensor) for part in found):
            raise InputError(f"{self.folder}: its net's outputs are no tensor: call model.task itself")
        return joined(found)

    def batches(self, source: Source | Tensor, indices: Tensor) -> Iterator[AnyBatch]:
        """Batches of some examples on the device, as in the run's test."""
        for chunk in indices.split(self.config["data"].get("eval_batch_size", 1024)):
            if isinstance(source, Tensor):
                yield source[chunk].to(self.device), None
            else:
                yield self.inputs.batch(source, chunk, self.device)

    @contextmanager
    def explained(self, inputs: Any) -> Iterator[None]:
        """Say what a net has against inputs of which nothing but the net knows what they must be."""
        try:
            yield
        except (RuntimeError, ValueError, TypeError, LookupError) as problem:
            if not self.by_batches:
                raise
            shape = list(getattr(inputs, "shape", ()))
            raise InputError(f"{self.folder}: its model cannot read inputs {shape}: {problem}") from problem

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute as the run did: with its number of threads, on which the last bits depend."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.config["threads"])
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)


class Targets:
    """As much of a data module as a task of Encore's adapts to."""

    def __init__(self, affine: Any) -> None:
        self.target_affine = affine


def load(run: str | Path, device: str | torch.device | None = None, data_dir: str | Path | None = None) -> Model:
    """A finished run's model; errors as of `encore.load`."""
    folder = Path(run)
    result = Result.read(folder)
    if result.status != "finished":
        raise InputError(f"{folder} {result.standing}, not finished")
    cfg, held = recorded_config(folder), read_manifest(folder)
    check_config(cfg, held, folder, contents=False)
    if data_dir is not None:
        cfg["data_dir"] = str(data_dir)
    return Model(folder, cfg, held, device)


def trainer_on(cfg: dict, device: str | torch.device | None) -> pl.Trainer:
    """A trainer that says what a run's precision is, and where it computes.

    Raises:
        ConfigError: there is no such device here.
    """
    chosen = None
    try:
        chosen = torch.device(device) if device is not None else None
        accelerator = chosen.type if chosen is not None else at_hand(cfg["trainer"].get("accelerator", "auto"))
        place: Any = [chosen.index] if chosen is not None and chosen.index is not None else 1
        allow_tf32(cfg["trainer"].get("tf32"))
        with quiet():
            return pl.Trainer(
                accelerator=accelerator,
                devices=1 if accelerator == "cpu" else place,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                **{name: cfg["trainer"][name] for name in OF_BITS if name in cfg["trainer"]},
            )
    except Exception as problem:  # Lightning's connectors and torch raise all kinds of errors
        raise ConfigError(f"device={device or accelerator}: {problem}") from problem
