"""The learning-rate finder: what it chooses, and that the choice is a run's like a setting."""

import json

import numpy as np
import pytest
from endings import SMALL, flat

import encore
from encore.analysis.card import Facts
from encore.analysis.results.comparison import compare
from encore.callbacks.lr_finder import steepest
from encore.errors import ConfigError
from encore.record.checkpoint_files import load

FINDER = {**SMALL, "callbacks": ["lr_finder"], "callbacks.progress": None}


def test_the_rate_is_where_the_loss_falls_fastest_over_its_logarithm():
    rates = np.geomspace(1e-5, 1, 60)
    place = np.log10(rates)
    losses = 2 - 1 / (1 + np.exp(-4 * (place + 2))) + np.maximum(place + 0.5, 0) ** 2  # steepest at 1e-2
    assert steepest(rates, losses) == pytest.approx(1e-2, rel=0.15)
    jumped = np.where(place > -0.8, 6 - 5 * (place + 0.8), losses)  # a fall that is steeper, after a jump
    assert steepest(rates, jumped) == steepest(rates, losses)
    assert steepest(rates, np.linspace(1, 2, 60)) is None
    assert steepest(rates[:8], losses[:8]) is None


def test_a_run_trains_as_if_the_rate_chosen_had_been_set_and_records_it(run):
    found = run({**FINDER, "scheduler": "one_cycle"})
    chosen = json.loads((found.folder / "manifest.json").read_text())["chosen"]
    assert {"lr_finder.png", "lr_finder.csv"} <= {file.name for file in found.folder.iterdir()}
    typed = run({**SMALL, "scheduler": "one_cycle", "callbacks.progress": None, **chosen})
    assert chosen["optim.lr"] != 0.001
    assert found.weights_sha256 == typed.weights_sha256
    assert found.losses_sha256 == typed.losses_sha256
    one, other = (load(each.folder / "checkpoints/last.ckpt") for each in (found, typed))
    assert flat(one["optimizer_states"]) == flat(other["optimizer_states"])
    assert one["hyper_parameters"]["optim"]["lr"] == chosen["optim.lr"]
    # It is the run's rate wherever runs are listed, compared and described.
    assert "optim.lr" not in compare([found.folder, typed.folder]).sections["settings"]
    assert len(encore.runs(f"optim.lr={chosen['optim.lr']}", found.runs_dir)) == 2
    assert Facts.read(found.folder).settings["optim.lr"] == chosen["optim.lr"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optim": "adadelta", "~optim.lr": None}, "chooses optim.lr, and optim=adadelta has none"),
        ({"optim": "none", "+optim._target_": "torch.optim.LBFGS", "+optim.lr": 1}, "LBFGS"),
        ({"callbacks.lr_finder.lowest": 1e-9, "callbacks.lr_finder.highest": 1e-8, "callbacks.lr_finder.steps": 20},
         "the loss does not fall between lr 1e-09 and 1e-08"),
    ],
)  # fmt: skip
def test_what_has_no_rate_to_find_is_said(run, settings, said):
    with pytest.raises(ConfigError, match=f"callbacks.lr_finder: .*{said}"):
        run({**FINDER, **settings})
