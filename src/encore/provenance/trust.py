"""What a recorded config may name: a run's folder may be a stranger's, and building a run imports and calls things."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from encore.config import places
from encore.config.check import OUR_SETTINGS, check
from encore.errors import ConfigError, InputError
from encore.files import read_whole
from encore.provenance.fingerprint import computing, essential, hash_of, targets
from encore.provenance.former_names import present
from encore.provenance.modules import ENGINE, Modules

SCORES = (
    "AUROC", "Accuracy", "AveragePrecision", "CalibrationError", "CohenKappa", "F1Score", "FBetaScore",
    "HammingDistance", "HingeLoss", "JaccardIndex", "MatthewsCorrCoef", "NegativePredictiveValue", "Precision",
    "Recall", "Specificity",
)  # fmt: skip
# Classes of libraries that are harmless whatever their settings: none takes code, or a file to write, but a dataset
# may fetch the files that it is known for. None here reads pickles, or unpacks archives, whose digest it has not
# compared with the published one; EMNIST, Caltech101, FGVCAircraft, ImageNet and LSUN do.
HARMLESS: dict[str, tuple[str, ...]] = {
    "pytorch_lightning.callbacks": (
        "DeviceStatsMonitor", "EMAWeightAveraging", "EarlyStopping", "GradientAccumulationScheduler",
        "LearningRateMonitor", "StochasticWeightAveraging", "Timer",
    ),
    "torch.optim": (
        "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam",
        "RMSprop", "Rprop", "SGD", "SparseAdam",
    ),
    "torch.optim.lr_scheduler": (
        "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "LinearLR",
        "MultiStepLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "StepLR",
    ),
    "torchmetrics": SCORES,
    "torchmetrics.classification": (*SCORES, *(f"Multiclass{score}" for score in SCORES)),
    "torchmetrics.regression": (
        "ExplainedVariance", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "R2Score",
    ),
    "torchvision.datasets": (
        "CIFAR10", "CIFAR100", "Country211", "DTD", "EuroSAT", "FER2013", "FakeData", "FashionMNIST", "Flowers102",
        "Food101", "GTSRB", "ImageFolder", "Imagenette", "KMNIST", "MNIST", "OxfordIIITPet", "Places365",
        "RenderedSST2", "SEMEION", "STL10", "SUN397", "SVHN", "StanfordCars", "USPS",
    ),
}  # fmt: skip
# Settings of Lightning's Trainer that count, limit, switch, or choose by a name that Lightning knows.
TRAINER = (
    "accelerator", "accumulate_grad_batches", "barebones", "benchmark", "check_val_every_n_epoch", "detect_anomaly",
    "deterministic", "devices", "enable_autolog_hparams", "fast_dev_run", "gradient_clip_algorithm",
    "gradient_clip_val", "inference_mode", "limit_predict_batches", "limit_test_batches", "limit_train_batches",
    "limit_val_batches", "log_every_n_steps", "max_epochs", "max_steps", "max_time", "min_epochs", "min_steps",
    "num_nodes", "overfit_batches", "precision", "profiler", "reload_dataloaders_every_n_epochs", "strategy",
    "sync_batchnorm", "val_check_interval",
)  # fmt: skip

ENGINE_FOLDER = Path(__file__).parents[1]

PLAIN = (dict, list, str, int, float, NoneType)
LARGEST = 256 * 1024  # bytes; a config has a few thousand
DEEPEST = 32  # keys to a setting; a config has a handful

Place = tuple[Any, ...]


class PlainLoader(yaml.SafeLoader):
    """YAML without aliases: with them, a small file can expand beyond memory, or contain itself."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias, which recorded configs never have")
        return super().compose_node(parent, index)


def recorded_config(folder: Path) -> dict:
    """A run's recorded config, valid and safe to build.

    Raises:
        InputError: it cannot be read, is not valid, or names what could run any code.
    """
    file = folder / "config.yaml"
    cfg = present(read(file))
    try:
        check_targets(cfg, str(file))
        check(cfg)
        computing(cfg)
    # The rules assume limited depth and size.
    except (ConfigError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise InputError(f"{file} is not a valid config: {problem}") from problem
    return cfg


def check_config(cfg: dict, manifest: dict, folder: Path, contents: bool = True) -> None:
    """Check that a recorded config is the one that ran.

    Args:
        cfg: the config.
        manifest: what ran.
        folder: of the run.
        contents: whether the files that it names have to be those that were read; else they need not be here.

    Raises:
        InputError: it was changed since.
    """
    # An earlier version's digest was made in another way; and what a run continued may have gone on since.
    if not contents or "packages" not in manifest["code"] or cfg.get("continue_from"):
        as_recorded = json.loads(json.dumps(cfg, default=str))  # in which numbers that are keys are texts
        same = computing(as_recorded) == computing(present(manifest["config"]))
    else:
        same = hash_of(essential(cfg)) == manifest.get("config_sha256")
    if not same:
        raise InputError(f"{folder / 'config.yaml'} was changed after the run")


def read(file: Path) -> dict:
    try:
        cfg = yaml.load(read_whole(file, LARGEST), Loader=PlainLoader)
    except InputError:
        raise
    except Exception as problem:  # whatever PyYAML raises for a broken file
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if not isinstance(cfg, dict):
        raise InputError(f"{file} holds no config")
    return cfg


def check_targets(cfg: dict, where: str) -> None:
    """Check that a config makes Python do nothing that the project's own configs or `HARMLESS` do not name.

    Only modules of the project that may be imported are.

    Raises:
        InputError: the file `where` it stands, the setting, what is wrong with it and what to do.
    """
    own = own_targets()
    for place, value in settings(cfg):
        if problem := objection(place, value, own):
            raise InputError(f"{where}: {dotted(place)} {problem}")


def own_targets() -> set[str]:
    """Every `_target_` in the engine's configs and the user's own.

    Raises:
        InputError: one of them cannot be read.
    """
    found: set[str] = set()
    for file in (file for folder in places.every() for file in folder.rglob("*.yaml")):
        try:
            found.update(targets(yaml.safe_load(file.read_bytes())))
        except yaml.YAMLError as problem:
            raise InputError(f"{file} cannot be read: {problem}") from problem
    return found


def settings(node: dict | list, above: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every key or index of an item, with those above it, and its value."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*above, key), value
        if isinstance(value, dict | list):
            yield from settings(value, (*above, key))


def objection(place: Place, value: Any, own: set[str]) -> str | None:
    """What is wrong with a setting, or None."""
    key = place[-1]
    if len(place) > DEEPEST:
        return "is nested deeper than anything in a config"
    if not isinstance(key, str | int) or not isinstance(value, PLAIN):
        return f"is of a type that no config has: {type(key).__name__}, {type(value).__name__}"
    if any(isinstance(text, str) and "${" in text for text in (key, value)):  # Hydra would resolve it while it builds
        return "has an interpolation; a recorded config is resolved: write what it stands for"
    if key == "_target_":
        return against_target(value, own)
    if isinstance(key, str) and key[:1] == key[-1:] == "_":
        return "is a key of Hydra's that runs never record: remove it"
    if place[0] == "trainer" and len(place) == 2 and key not in (*TRAINER, *OUR_SETTINGS):
        return "is not a setting that a recorded config may give Lightning's Trainer: remove it"
    return None


def against_target(target: Any, own: set[str]) -> str | None:
    """What is wrong with a `_target_`, or None; decided from its text, before anything is imported."""
    if not isinstance(target, str):
        return f"must be a text, not of type {type(target).__name__}"
    module, _, name = target.rpartition(".")
    if target in own or name in HARMLESS.get(module, ()):
        return None
    if is_own_module(module, own) and name.isidentifier() and not name.startswith("_"):
        try:
            found = vars(importlib.import_module(module)).get(name)
        except Exception as problem:  # whatever the project's own module raises
            return f"is {target}, and {module} cannot be imported: {problem}"
        if isinstance(found, type) and found.__module__ == module:  # not what the module itself has imported
            return None
    return (
        f"is {target[:200]!r}, which a recorded config may not name, as it might run any code; "
        "if the run is your own, let a config name it: in your project's configs/, or in a folder of ENCORE_CONFIGS"
    )


def is_own_module(module: str, own: set[str]) -> bool:
    """Whether a module belongs to the project or its user, and its configs name it or it is a model."""
    top, *rest = module.split(".")
    if not top:
        return False
    if module in {target.rpartition(".")[0] for target in own}:
        found = Modules().find(module)
        return found is not None and found.own and found.file is not None
    in_room = top == ENGINE and rest[:1] == ["models"] and all(part.isidentifier() for part in rest)
    return in_room and ENGINE_FOLDER.joinpath(*rest).with_suffix(".py").is_file()


def dotted(place: Place) -> str:
    """A setting's path as on the command line, without characters that control a terminal."""
    path = ".".join(str(key) for key in place[:DEEPEST])[:200]
    return path if path.isprintable() else repr(path)
