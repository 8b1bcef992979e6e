"""What is loaded later is not loaded for a run, and is all there when something of it is used."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.datasets import load_digits

from encore.fast import digits

LATER = "from encore.fast import imports\nimports.later()\n"
# Every name of every package of torchmetrics, and what kind of thing it is.
NAMES = """
import importlib, pkgutil, torchmetrics
for found in sorted(module.name for module in pkgutil.walk_packages(torchmetrics.__path__, "torchmetrics.")):
    module = importlib.import_module(found)
    for name in sorted(vars(module)):
        value = getattr(module, name)
        if getattr(value, "__module__", "").startswith("torchmetrics"):
            print(found, name, value.__module__, getattr(value, "__qualname__", ""))
"""


def said(program: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_loads_neither_the_compiler_nor_what_only_some_metrics_need(tmp_path):
    program = f"""
        import sys
        from encore import run
        run({{"runs_dir": {str(tmp_path)!r}, "debug": "fast", "threads": 1}})
        unused = {{"matplotlib", "scipy", "sklearn", "sympy", "torchvision", "transformers", "torch._dynamo.config"}}
        print(*sorted(unused & set(sys.modules)))
    """
    assert said(program).splitlines()[-1] == ""


def test_the_compiler_is_there_when_something_is_compiled():
    program = f"""
        {LATER.replace(chr(10), chr(10) + " " * 8)}
        import sys, torch
        from pytorch_lightning.utilities.compile import OptimizedModule
        torch.use_deterministic_algorithms(True)
        net = torch.nn.Linear(2, 2)
        optimizer = torch.optim.Adam(net.parameters())
        net(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        add = torch.optim.Optimizer.add_param_group.__wrapped__
        assert getattr(add, "__dynamo_disable") is add and not isinstance(net, OptimizedModule)
        never = torch.compiler.disable(lambda value: value + 1)
        assert never(1) == 2 and "torch._dynamo.config" not in sys.modules

        compiled = torch.compile(net, backend="eager")
        assert isinstance(compiled, OptimizedModule) and not isinstance(net, OptimizedModule)
        assert compiled(torch.ones(1, 2)).equal(net(torch.ones(1, 2))) and never(1) == 2
        assert torch._inductor.config.deterministic and "torch._dynamo.config" in sys.modules
        assert not hasattr(add, "__dynamo_disable")
        optimizer.step()
        from torch._dynamo import config, graph_break
        import torch._inductor.compiler_bisector
        import torch._inductor.config as settings
        assert settings is sys.modules["torch._inductor.config"] and config is torch._dynamo.config
        print(settings.__spec__.loader.__class__.__name__, torch._dynamo.__spec__.name)
    """
    assert said(program).split() == ["SourceFileLoader", "torch._dynamo"]


@pytest.mark.slow
def test_every_name_of_torchmetrics_is_what_it_is_without():
    plain, later = set(said(NAMES).splitlines()), set(said(LATER + NAMES).splitlines())
    assert len(plain) > 1000
    # Functions that plot have a decorator of matplotlib's.
    assert {line for line in plain - later if " torchmetrics.utilities.plot " not in line} == set()
    assert later - plain == set()


@pytest.mark.slow
def test_metrics_that_use_what_is_loaded_later_compute():
    program = """
        import sys, torch, torchmetrics
        assert not {"matplotlib", "scipy", "torchvision", "transformers"} & set(sys.modules)
        from torchmetrics.detection import IntersectionOverUnion, MeanAveragePrecision
        from torchmetrics.functional.audio import permutation_invariant_training, signal_noise_ratio
        from torchmetrics.image import LearnedPerceptualImagePatchSimilarity
        from torchmetrics.segmentation import HausdorffDistance

        box = [{"boxes": torch.tensor([[0.0, 0, 2, 2]]), "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}]
        half = [{"boxes": torch.tensor([[0.0, 0, 2, 1]]), "labels": torch.tensor([1])}]
        assert IntersectionOverUnion()(box, half)["iou"] == 0.5
        one, other = torch.rand(2, 4, 9), torch.rand(2, 4, 9)
        best, order = permutation_invariant_training(one[:, [2, 0, 1, 3]], one, signal_noise_ratio)
        assert order[0].tolist() == [1, 2, 0, 3]
        matrix = torchmetrics.ConfusionMatrix(task="multiclass", num_classes=3)
        matrix.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
        figure, axes = matrix.plot()
        assert type(figure).__module__ == "matplotlib.figure"
        masks = torch.ones(1, 2, 4, 4, dtype=torch.long)
        assert HausdorffDistance(num_classes=2)(masks, masks) == 0
    """
    said(LATER + textwrap.dedent(program))


def test_digits_are_scikit_learns():
    ours, theirs = digits.load_digits(), load_digits()
    for name in ("data", "target", "images", "target_names"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
