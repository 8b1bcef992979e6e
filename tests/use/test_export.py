"""`encore export`: the file predicts what the run does, where there is neither Encore nor Lightning."""

import json
import subprocess
import sys

import numpy as np
import pytest

import encore
from encore.commands import export

ALONE = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name)

sys.meta_path.insert(0, Refused())
import json
import numpy as np
examples = dict(np.load("examples.npz"))
{program}
assert not {blocked!r} & set(sys.modules)
"""
OURS = {"encore", "pytorch_lightning", "lightning", "lightning_fabric", "torchmetrics", "hydra"}
PROGRAMS = {
    ".pt2": """
import torch
held = {"encore.json": ""}
module = torch.export.load("model.pt2", extra_files=held).module()
found = module(*map(torch.from_numpy, examples.values())).detach().numpy()
said = json.loads(held["encore.json"])
np.save("found.npy", found)
json.dump([said["fingerprint"], said["classes"], said["output"]], open("said.json", "w"))
""",
    ".onnx": """
import onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
(output,) = session.run(None, examples)
np.save("found.npy", output)
said = session.get_modelmeta().custom_metadata_map
json.dump([said["fingerprint"], json.loads(said["classes"]), session.get_outputs()[0].name], open("said.json", "w"))
""",
}


@pytest.fixture
def alone(typed, tmp_path):
    """Export a run, and predict examples with the file in a process of its own: the predictions, and what it says."""

    def go(folder, suffix, examples):
        pytest.importorskip("onnxruntime" if suffix == ".onnx" else "torch")
        code, said, complained = typed(export.main, folder, "--out", tmp_path / f"model{suffix}")
        assert (code, complained) == (0, "")
        assert "largest difference from the run: " in said
        np.savez(tmp_path / "examples.npz", **examples)
        blocked = {*OURS, "torch"} if suffix == ".onnx" else OURS
        program = ALONE.format(blocked=blocked, program=PROGRAMS[suffix])
        answer = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
        return np.load(tmp_path / "found.npy"), json.loads((tmp_path / "said.json").read_text())

    return go


@pytest.mark.slow
@pytest.mark.parametrize("suffix", PROGRAMS)
def test_pictures_of_bytes(alone, run, mnist_files, suffix):
    settings = {"data": "mnist", "data.sha256": None, "data_dir": str(mnist_files("MNIST")), "data.val_fraction": 0.1}
    found = run({**settings, "model": "cnn", "trainer.max_epochs": 1, "logger": "none"})
    raw = np.random.default_rng(0).integers(0, 256, (1, 1, 28, 28), dtype=np.uint8)
    predicted, said = alone(found.folder, suffix, {"input": raw})
    assert predicted == pytest.approx(encore.load(found.folder).predict(raw).probabilities, abs=1e-5)
    assert said == [found.fingerprint, [str(number) for number in range(10)], "probabilities"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", PROGRAMS)
def test_numbers_in_their_own_units(alone, run, tmp_path, suffix):
    random = np.random.default_rng(0)
    x, y = random.normal(2, 3, (60, 4)).astype(np.float32), random.normal(50, 9, (60, 1)).astype(np.float32)
    np.savez(tmp_path / "some.npz", x=x, y=y)
    found = run(
        {
            "data": "npz", "data.path": str(tmp_path / "some.npz"), "data.shape": [4], "data.num_classes": None,
            "task": "regression", "data.normalize_targets": "standardize", "model": "mlp", "data.batch_size": 16,
            "trainer.max_epochs": 1, "logger": "none",
        }
    )  # fmt: skip
    predicted, said = alone(found.folder, suffix, {"input": x[:7]})
    assert predicted == pytest.approx(encore.load(found.folder).predict(x[:7]).values, rel=1e-5)
    assert said == [found.fingerprint, None, "values"]


@pytest.fixture
def digits(run):
    return run({"trainer.max_epochs": 1, "logger": "none"}).folder


def test_a_file_that_differs_is_not_written(typed, digits, tmp_path):
    out = tmp_path / "new" / "folder" / "model.pt2"
    code, _, complained = typed(export.main, digits, "--out", out, "--tolerance", "1e-12")
    assert code == 4
    assert "nothing was written" in complained
    assert not out.parent.parent.exists()
    (tmp_path / "mine").mkdir()
    typed(export.main, digits, "--out", tmp_path / "mine" / "model.pt2", "--tolerance", "1e-12")
    assert (tmp_path / "mine").is_dir()  # what was there stays


@pytest.mark.slow
def test_a_single_example_does_not_fix_their_number(alone, run):
    found = run({"experiment": "thermometer", "data.test_fraction": 0.1, "trainer.max_epochs": 1})
    assert encore.load(found.folder).data.sizes["test"] == 1
    predicted, _ = alone(found.folder, ".pt2", {"input": np.zeros((5, 1), np.float32)})
    assert predicted.shape == (5, 1)


def test_what_cannot_be_exported(typed, tmp_path, monkeypatch):
    for words, message in (
        (["--out", "model.h5"], "must end in .onnx or .pt2"),
        (["--out", "model.pt2", "--format", "onnx"], "must end in .onnx"),
        (["--out", "model.pt2", "--tolerance", "0"], "must be greater than 0"),
    ):
        code, _, complained = typed(export.main, tmp_path, *words)
        assert code == 1
        assert message in complained
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    code, _, complained = typed(export.main, tmp_path, "--out", "model.onnx")
    assert code == 1
    assert complained.count("\n") == 1
    assert "pip install 'encore[export]'" in complained
