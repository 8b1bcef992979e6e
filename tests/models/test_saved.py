import shutil

import pytest
import torch
from torch import nn

from encore.models.saved import with_weights


def net():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


@pytest.mark.parametrize("how", ["torch", "safetensors", "checkpoint"])
def test_a_net_starts_from_weights_on_disk(tmp_path, how):
    weights, file = net().state_dict(), tmp_path / ("w.safetensors" if how == "safetensors" else "w.pt")
    if how == "safetensors":
        pytest.importorskip("safetensors.torch").save_file(weights, file)
    else:
        of_task = {"state_dict": {f"net.{name}": value for name, value in weights.items()}}
        torch.save(of_task if how == "checkpoint" else weights, file)
    assert same(with_weights(net(), str(file)).state_dict(), weights)


def test_what_is_left_out_stays_as_it_was_drawn(tmp_path):
    torch.save(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 9)).state_dict(), tmp_path / "w.pt")
    drawn = net()
    before = {name: value.clone() for name, value in drawn.state_dict().items()}
    after = with_weights(drawn, str(tmp_path / "w.pt"), without=["1."]).state_dict()
    assert torch.equal(after["1.weight"], before["1.weight"])
    assert torch.equal(after["0.weight"], torch.load(tmp_path / "w.pt", weights_only=True)["0.weight"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"no weights", "cannot be read: it is truncated, or no file that torch.save wrote$"),
        (
            nn.Linear(2, 3),
            r"it holds more than tensors and plain values; torch.save\(net.state_dict\(\), FILE\) writes",
        ),
        ([1, 2], "holds no weights by name"),
        (
            {"0.weight": torch.zeros(3, 2), "2.weight": torch.zeros(1)},
            r"the file lacks 0.bias, .* the net lacks 2.weight;",
        ),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 9)).state_dict(), "size mismatch for 1.weight"),
    ],
    ids=["missing", "broken", "a net", "a list", "others", "another shape"],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, content, message):
    file = tmp_path / "w.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(ValueError, match=message):
        with_weights(net(), str(file))


def test_a_run_starts_from_weights_of_another_which_count_by_their_content(run, tmp_path):
    net = {"in_shape": [1, 8, 8], "num_outputs": 10, "widths": [8]}
    file = tmp_path / "start.ckpt"
    settings = {
        "trainer.max_epochs": 1,
        "optim.lr": 1e-9,
        "model": "none",
        "+model._target_": "encore.models.saved.with_weights",
        "+model.net": {"_target_": "encore.models.mlp.MLP", **net},
        "+model.file": str(file),
    }
    first = run({"model.widths": [8], "trainer.max_epochs": 3})
    shutil.copy(first.folder / "checkpoints" / "best.ckpt", file)
    begun = run(settings)
    assert begun.metrics["test/loss"] == pytest.approx(first.metrics["test/loss"], rel=1e-4)
    assert run(settings).folder == begun.folder
    shutil.copy(run({"model.widths": [8], "trainer.max_epochs": 1}).folder / "checkpoints" / "best.ckpt", file)
    assert run(settings).fingerprint != begun.fingerprint
