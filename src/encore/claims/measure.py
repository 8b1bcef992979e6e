"""What a run gave, where a claim is about it."""

import contextlib
import io

import numpy as np

from encore.claims.claim import Claim
from encore.errors import ConfigError, Diverged, InputError, NotReproduced
from encore.fingerprint import fingerprint
from encore.record.record import folder_of
from encore.record.result import Result, readable
from encore.runner import execute


def result_of(cfg: dict) -> Result:
    """What a run gave, run if it has neither finished nor diverged before; what it says is in its train.log.

    Raises:
        EncoreError: it could not be run to its end.
    """
    mark = fingerprint(cfg)
    folder = folder_of(cfg, mark)
    before = readable(folder)
    if before is not None and (before.status, before.fingerprint) == ("diverged", mark):  # it would do so again
        return before
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return execute(cfg)
    except Diverged:
        return Result.read(folder)


def measure(claim: Claim, cfg: dict, result: Result) -> np.ndarray:
    """The figures of a run that a claim is about, float64 [as many as are claimed, or 1].

    Raises:
        InputError: they were not recorded, or cannot be read any more.
        NotReproduced: the run never came to give them.
        ConfigError: the claim is about what the run has not, or about as many figures as it has not.
    """
    if claim.inputs:
        found = inputs(cfg, claim.inputs)
    elif result.status != "finished":
        raise NotReproduced(f"{result.status}: {str(result.error).splitlines()[0]}")
    elif claim.parameter:
        found = parameter(result, claim.parameter, str(claim.epoch or "last"))
    else:
        found = metric(claim, result)
    count = max(len(claim.values), 1)
    if len(found) != count:
        raise ConfigError(f"{claim.subject} is {len(found)} numbers, but {count} are claimed")
    return found


def metric(claim: Claim, result: Result) -> np.ndarray:
    """A metric's values from an epoch or step on."""
    name, count = str(claim.metric), max(len(claim.values), 1)
    if claim.step is not None:
        from encore.record.losses import read

        first, log = claim.step, list(enumerate(read(result.folder).tolist(), 1))
    elif claim.epoch == "last" or claim.epoch is None:
        return np.array([recorded(result, name)])
    else:
        from encore.results.metrics import curve

        first = result.best["epoch"] + 1 if claim.epoch == "best" else int(claim.epoch)
        log = list(zip(*curve(result.folder, name), strict=True))
    known, wanted = dict(log), range(first, first + count)
    if missing := [number for number in wanted if number not in known]:
        unit = "step" if claim.step else "epoch"
        raise NotReproduced(f"the run has no {unit} {missing[0]}: it ended after {result.epochs} epochs")
    return np.array([known[number] for number in wanted])


def recorded(result: Result, name: str) -> float:
    """A metric of the result: the last epoch's, or the test set's."""
    if name not in result.metrics:
        raise InputError(f"{result.folder / 'result.json'} has no {name}")
    return float(result.metrics[name])


def parameter(result: Result, name: str, which: str) -> np.ndarray:
    """A parameter of the last or the best weights, row by row."""
    from encore.record.checkpoint_files import load

    weights = load(result.folder / "checkpoints" / f"{which}.ckpt")["state_dict"]
    own = {key.removeprefix("net."): tensor for key, tensor in weights.items() if key.startswith("net.")}
    if name not in own:
        raise ConfigError(f"the net has no parameter {name}; choose from {', '.join(own)}")
    return own[name].double().flatten().numpy()


def inputs(cfg: dict, split: str) -> np.ndarray:
    """A split's normalised inputs, row by row."""
    from encore.data.module import DataModule

    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"])
    data.setup()
    source, indices = (
        (data.opened_test(), data.test_indices) if split == "test" else (data.source, getattr(data.split, split))
    )
    return data.normalize(source.read(indices.tolist())).double().flatten().numpy()
