"""A run's model as one file that needs neither Encore nor Lightning: raw examples in, predictions out."""

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from encore.analysis.quality.examples import Examples
from encore.data.contract import Source
from encore.data.named.loader import Assembly
from encore.data.named.named_source import NamedSource
from encore.data.normalize import Affine
from encore.errors import ConfigError, NotReproduced
from encore.files import replace
from encore.use.model import Model
from encore.use.predictions import Predictions, kind_of, probabilities

INPUT = "input"  # the name of the only array
METADATA = "encore.json"  # within a .pt2
TIMES, BATCH = 20, 64
SHOWN = 3  # examples that the exporter sees; of a single one it would make a constant
Arrays = dict[str, Tensor]
Call = Callable[[Arrays], np.ndarray]


class Whole(nn.Module):
    """Normalisation, net, and what the outputs mean: probabilities of classes or labels, or numbers in their own units.

    Args:
        model: a run's.
        arrays: names of the arrays that it takes, in their order.
        affines: normalisation by name.
    """

    def __init__(self, model: Model, arrays: Iterable[str], affines: dict[str, Affine]) -> None:
        super().__init__()
        self.task, self.kind = model.task.float(), kind_of(model.task)
        self.arrays, self.normalised = tuple(arrays), tuple(affines)
        for module in self.task.modules():
            module._compiled_call_impl = None  # what trainer.compile made
        for place, affine in enumerate(affines.values()):
            for name in ("center", "scale"):
                self.register_buffer(f"{name}_{place}", getattr(affine, name))

    def forward(self, *arrays: Tensor) -> Tensor:
        """Predictions [n, …] of raw arrays."""
        made = dict(zip(self.arrays, arrays, strict=True))
        for place, name in enumerate(self.normalised):
            center, scale = getattr(self, f"center_{place}"), getattr(self, f"scale_{place}")
            made[name] = (made[name].to(torch.float32) - center) * scale
        outputs: Tensor = self.task(made[INPUT] if set(made) == {INPUT} else made)
        if self.kind != "values":
            probable = probabilities(self.task, self.kind, outputs)
            assert probable is not None
            return probable
        return self.task.prediction(outputs) if hasattr(self.task, "prediction") else outputs  # type: ignore[operator]


@dataclass(frozen=True)
class Check:
    """How an exported file compares with the run.

    Attributes:
        examples: how many were compared, and what they are.
        apart: the largest difference; of numbers beyond 1 it is relative.
        rows: size, and seconds for one example and for a batch, of the run's net and of the file.
    """

    examples: str
    apart: float
    rows: list[list[str]]


def export(model: Model, examples: Examples, out: Path, tolerance: float) -> Check:
    """Write a run's model as .onnx or .pt2, once it has given the run's own predictions.

    Args:
        model: on the CPU.
        examples: what it is checked on.
        out: the file.
        tolerance: the largest difference that is let pass.

    Raises:
        ConfigError: the net cannot be exported.
        NotReproduced: the predictions differ by more; no file is written.
    """
    source, indices, name = examples.source, examples.indices, examples.name
    expected = target_of(model.predictions(source, indices))
    arrays, affines = raw(model, source, indices[torch.arange(SHOWN) % len(indices)])
    whole = Whole(model, arrays, affines).eval()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / f"model{out.suffix}"
        with silent():
            WRITERS[out.suffix](whole, arrays, facts(model, arrays), file)
            call = READERS[out.suffix](file, model.config["threads"])
        with model.computing():
            found = [call(raw(model, source, chunk)[0]) for chunk in indices.split(256)]
            found += [call(raw(model, source, indices[:1])[0])]
            apart = difference(np.concatenate(found), np.concatenate([expected, expected[:1]]))
            rows = [["", "size", "one example", f"{BATCH} examples"]]
            own = "the run, by PyTorch", (model.folder / "checkpoints" / "best.ckpt").stat().st_size
            for (title, size), each in (
                (own, lambda arrays: whole(*arrays.values())),
                ((out.name, file.stat().st_size), call),
            ):
                rows.append([title, f"{size / 1e6:.2f} MB", *latencies(model, source, indices, each)])
        if not apart <= tolerance:
            raise NotReproduced(
                f"the exported model differs from the run by up to {apart:.2g} on {name}, more than {tolerance:g}: "
                "nothing was written"
            )
        replace(out, file.read_bytes())
    return Check(f"{len(indices):,} examples, {name}", apart, rows)


def raw(model: Model, source: Source, indices: Tensor) -> tuple[Arrays, dict[str, Affine]]:
    """Examples as the exported model takes them, by name, and the normalisation that it does itself."""
    known = model.inputs.arrays
    if isinstance(source, NamedSource):
        made, _ = Assembly(source.fields, {}, torch.device("cpu"))(source.raw(indices))
        arrays = made if isinstance(made, dict) else {INPUT: made}
        fields = [field for field in source.fields if not field.is_target]
        names = {field.id: field.name if isinstance(made, dict) else INPUT for field in fields}
        return arrays, {names[key]: array.affine for key, array in known.items() if array.affine is not None}
    (array,) = known.values()
    return {INPUT: source.read(indices.tolist())}, {} if array.affine is None else {INPUT: array.affine}


def target_of(found: Predictions) -> np.ndarray:
    """What an exported model gives for them."""
    return found.values if found.probabilities is None else found.probabilities


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    apart = np.abs(found.astype(np.float64) - expected) / np.maximum(1, np.abs(expected))
    return float(apart.max()) if np.isfinite(apart).all() else float("inf")


def latencies(model: Model, source: Source, indices: Tensor, call: Callable[[Arrays], Any]) -> Iterator[str]:
    """Median times of one example and of a batch."""
    for size in (1, BATCH):
        arrays, _ = raw(model, source, indices[torch.arange(size) % len(indices)])
        times = []
        for _ in range(TIMES + 1):
            began = perf_counter()
            call(arrays)
            times.append(perf_counter() - began)
        yield f"{1000 * median(times[1:]):.2f} ms"


def facts(model: Model, arrays: Arrays) -> dict[str, Any]:
    """What a file says of itself."""
    run, kind = model.result, kind_of(model.task)
    described = {name: {"dtype": str(each.dtype).removeprefix("torch."), "shape": ["n", *each.shape[1:]]}
                 for name, each in arrays.items()}  # fmt: skip
    output = "values" if kind == "values" else "probabilities"
    return {
        "run": run.name, "seed": run.seed, "fingerprint": run.fingerprint, "classes": model.classes,
        "inputs": described, "output": output,
    }  # fmt: skip


def dynamic(arrays: Arrays) -> dict[str, dict[int, Any]]:
    """Which of the arrays' sizes may change: the number of examples, and the length of sequences."""
    if set(arrays) == {INPUT}:
        return {INPUT: {0: Dim("n")}}
    padded = len({len(each) for each in arrays.values()}) == 1 and any(name.endswith("mask") for name in arrays)
    return {
        name: {0: Dim.DYNAMIC, 1: Dim.DYNAMIC} if padded and each.ndim == 2 else {0: Dim.DYNAMIC}
        for name, each in arrays.items()
    }


def program_of(whole: Whole, arrays: Arrays) -> torch.export.ExportedProgram:
    sizes = dynamic(arrays)
    return torch.export.export(whole, tuple(arrays.values()), dynamic_shapes=(tuple(sizes[name] for name in arrays),))


def write_torch(whole: Whole, arrays: Arrays, said: dict[str, Any], file: Path) -> None:
    with explained():
        torch.export.save(program_of(whole, arrays), file, extra_files={METADATA: json.dumps(said)})


def write_onnx(whole: Whole, arrays: Arrays, said: dict[str, Any], file: Path) -> None:
    with explained():
        program = torch.onnx.export(
            program_of(whole, arrays), dynamo=True, verbose=False, input_names=list(arrays),
            output_names=[said["output"]],
        )  # fmt: skip
        assert program is not None
        for name, value in said.items():
            program.model.metadata_props[name] = value if isinstance(value, str) else json.dumps(value)
        program.save(file)


@contextmanager
def explained() -> Iterator[None]:
    """Say what torch has against a net."""
    try:
        yield
    except Exception as problem:  # of whatever kind: a net is anybody's code
        said = " ".join(str(problem).split())
        raise ConfigError(f"the model cannot be exported: {type(problem).__name__}: {said[:500]}") from problem


@contextmanager
def silent() -> Iterator[None]:
    """Without what exporters say of their own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def read_torch(file: Path, threads: int) -> Call:
    module = torch.export.load(io.BytesIO(file.read_bytes())).module()
    return lambda arrays: module(*arrays.values()).numpy()


def read_onnx(file: Path, threads: int) -> Call:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.read_bytes(), settings, providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, {name: each.numpy() for name, each in arrays.items()})[0]


WRITERS = {".onnx": write_onnx, ".pt2": write_torch}
READERS = {".onnx": read_onnx, ".pt2": read_torch}
