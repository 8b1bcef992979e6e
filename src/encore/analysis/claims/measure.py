"""Measures the figures of a run that a claim is about."""

from typing import TYPE_CHECKING

import numpy as np

from encore.analysis.claims.claim import Claim
from encore.config.facts import opens_test
from encore.data.offline import downloads_refused
from encore.errors import ConfigError, InputError, NotReproduced
from encore.record import seal
from encore.record.result import Result

if TYPE_CHECKING:
    from torch import Tensor

    from encore.data.module import DataModule


def measure(claim: Claim, cfg: dict, result: Result | None) -> np.ndarray:
    """The figures that a claim is about, float64 [as many as are claimed; any number where all of them are bounded].

    Args:
        claim: of the run.
        cfg: its config.
        result: its result; None if the claim needs none.

    Raises:
        InputError: they were not recorded, or can no longer be read.
        NotReproduced: the run never produced them.
        ConfigError: the claim is about something the run lacks, or about more or fewer figures than it has.
    """
    if result is None:
        with downloads_refused():
            found = inputs(cfg, claim.inputs) if claim.inputs else gradient(cfg, str(claim.gradient))
    elif result.status != "finished" and not claim.of_log:
        raise NotReproduced(f"{result.status}: {str(result.error).splitlines()[0]}")
    elif claim.parameter:
        found = parameter(result, claim.parameter, str(claim.epoch or "last"))
    elif claim.reaches is not None:
        found = np.array([reached(result, str(claim.metric), claim.reaches)])
    else:
        found = metric(claim, result)
    count = max(len(claim.values), 1)
    if len(found) != count and (claim.values or claim.other):
        raise ConfigError(f"{claim.subject} is {len(found)} numbers, but {count} are claimed")
    return found


def metric(claim: Claim, result: Result) -> np.ndarray:
    """A metric's values from an epoch or step on."""
    name, count = str(claim.metric), max(len(claim.values), 1)
    if claim.step is not None:
        from encore.callbacks.losses import FILE, read

        seal.check(result.folder, FILE)
        first, log = claim.step, list(enumerate(read(result.folder).tolist(), 1))
    elif claim.epoch == "last" or claim.epoch is None:
        return np.array([recorded(result, name)])
    else:
        from encore.analysis.results.metrics import curve

        log = list(zip(*curve(result.folder, name), strict=True))
        if claim.epoch == "all":
            return np.array([value for _, value in log])
        first = result.best["epoch"] + 1 if claim.epoch == "best" else int(claim.epoch)
    known, wanted = dict(log), range(first, first + count)
    if missing := [number for number in wanted if number not in known]:
        unit = "step" if claim.step else "epoch"
        there = f"those from {min(known)} to {max(known)}" if known else "none"
        raise NotReproduced(f"{name} has no value for {unit} {missing[0]}: of {len(known)}, it has {there}")
    return np.array([known[number] for number in wanted])


def reached(result: Result, name: str, figure: float) -> float:
    """The first epoch in which a metric reaches a figure."""
    from encore.analysis.results.metrics import first_reaching

    epoch = first_reaching(result.folder, name, figure)
    if epoch is None:
        raise NotReproduced(f"{name} never reaches {figure:g} in {result.epochs} epochs")
    return epoch


def recorded(result: Result, name: str) -> float:
    if name not in result.metrics:
        raise InputError(f"{result.folder / 'result.json'} has no {name}")
    return float(result.metrics[name])


def parameter(result: Result, name: str, which: str) -> np.ndarray:
    """A parameter of the last or the best weights, row by row."""
    from encore.record.checkpoint_files import weights

    seal.check(result.folder, f"checkpoints/{which}.ckpt")
    held = weights(result.folder / "checkpoints" / f"{which}.ckpt")
    own = {key.removeprefix("net."): tensor for key, tensor in held.items() if key.startswith("net.")}
    return named(own, name).double().flatten().numpy()


def named(parameters: "dict[str, Tensor]", name: str) -> "Tensor":
    if name not in parameters:
        raise ConfigError(f"the net has no parameter {name}; choose from {', '.join(parameters)}")
    return parameters[name]


def inputs(cfg: dict, split: str) -> np.ndarray:
    """A split's normalised inputs, row by row."""
    data = opened(cfg)
    source, indices = (
        (data.opened_test(), data.test_indices) if split == "test" else (data.source, getattr(data.split, split))
    )
    return data.normalize(source.read(indices.tolist())).double().flatten().numpy()


def gradient(cfg: dict, name: str) -> np.ndarray:
    """A parameter's gradient before training, row by row: of the loss averaged over the training set."""
    import torch

    from encore.runner.parts import adapt, build_task

    torch.set_num_threads(cfg["threads"])
    data, task = opened(cfg), build_task(cfg).eval()
    adapt(task, data)
    parameter = named(dict(task.net.named_parameters()), name)  # type: ignore[union-attr]
    train = data.split.train
    for chunk in train.split(cfg["data"]["eval_batch_size"]):
        outputs = task(data.normalize(data.source.read(chunk.tolist())))
        loss = task.objective(outputs, data.source.targets[chunk])  # type: ignore[operator]
        (loss * (len(chunk) / len(train))).backward()
    assert parameter.grad is not None
    return parameter.grad.double().flatten().numpy()


def opened(cfg: dict) -> "DataModule":
    """A config's data, loaded and split."""
    from encore.data.module import DataModule

    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"], test=opens_test(cfg))
    data.setup()
    return data
