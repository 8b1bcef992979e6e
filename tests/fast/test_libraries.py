"""The code of libraries that the tricks of `encore.fast` stand in for is what it was when they were written.

A failure here means: read what has changed, mend the trick if need be, and put the new digest in its place.
"""

import inspect
import textwrap

import pytest
import torch
from lightning_fabric.utilities.registry import _load_external_callbacks
from pytorch_lightning.loops.fetchers import _DataFetcher, _PrefetchDataFetcher
from pytorch_lightning.loops.optimization.automatic import Closure, _AutomaticOptimization
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.trainer import call
from pytorch_lightning.trainer.connectors.logger_connector.result import _ResultMetric
from sklearn.datasets import load_digits
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.optimizer import _use_grad_for_differentiable
from torchvision.datasets import mnist

from encore.provenance.reading import read

STOOD_IN_FOR = {
    "checksums.py": [(pywrap_tensorflow.masked_crc32c, "043e4cd629353021"), (RecordWriter.write, "1781c983a3a3ea2c")],
    "compiler.py": [
        (torch._disable_dynamo, "5d47167d398abf90"),
        (torch.compiler.disable, "de76a2bb822764bb"),
        (torch.use_deterministic_algorithms, "1cf1a8e51d62b65c"),
        (_use_grad_for_differentiable, "884af8f17844cf61"),
    ],
    "digits.py": [(inspect.unwrap(load_digits), "5e4b34623b73d9ec")],
    "execution.py": [
        (_AutomaticOptimization.run, "5e7f81405ed379b4"),
        (_AutomaticOptimization._optimizer_step, "4c1ff4ea4e2aa6fb"),
        (_AutomaticOptimization._training_step, "6f4d069260753cdb"),
        (Closure.closure, "db244493c649897b"),
        (_TrainingEpochLoop.advance, "d8f3cf686af94b53"),
        (_TrainingEpochLoop.on_advance_end, "abd0015fd6b74e5b"),
        (_PrefetchDataFetcher.__next__, "97b594d52fe769ee"),
        (_DataFetcher.__next__, "65fbd5c176138a14"),
        (Optimizer.zero_grad, "a483f352bcefb198"),
    ],
    "step.py": [
        (Optimizer.profile_hook_step, "2e5e4c37a0a0a33b"),
        (Adam.step.__wrapped__, "7e6b22f58619af4d"),
        (AdamW.step.__wrapped__, "7e6b22f58619af4d"),
        (SGD.step.__wrapped__, "f913f3c99ede2178"),
    ],
    "spared.py": [
        (_ResultMetric.to, "5211f086568f12c8"),
        (_load_external_callbacks, "e7299a240ad86459"),
        (call._call_callback_hooks, "620a2b29b351e7e5"),
        (call._call_lightning_module_hook, "f0b9bd4bec569a8e"),
    ],
    "idx.py": [(mnist.read_sn3_pascalvincent_tensor, "a3002600f268a22c")],
}
EACH = [(file, function, digest) for file, rows in STOOD_IN_FOR.items() for function, digest in rows]


@pytest.mark.parametrize(("file", "function", "digest"), EACH, ids=lambda value: getattr(value, "__qualname__", ""))
def test_what_a_trick_stands_in_for_has_not_changed(file, function, digest):
    source = textwrap.dedent(inspect.getsource(function))
    assert read(source.encode()).digest[:16] == digest, (
        f"{function.__qualname__} has changed: see src/encore/fast/{file}"
    )
