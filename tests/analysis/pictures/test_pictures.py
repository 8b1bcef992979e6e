"""Pictures of what runs have learned: they show what the net says, in raw units, and as many errors as it makes."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from conftest import ROOT, without_importing
from matplotlib.figure import Figure

from encore.analysis.pictures import fit, likelihood_curve, mistakes, regions
from encore.analysis.pictures.chosen import choose
from encore.analysis.pictures.learned import learned
from encore.analysis.pictures.picture import picture, titles
from encore.analysis.results.figure_files import drawn, save
from encore.analysis.results.run_table import read
from encore.errors import Diverged, InputError
from encore.models.mlp import MLP
from encore.record.checkpoint_files import load

THERMOMETER = {"data": "thermometer", "task": "regression", "model": "line", "optim": "sgd", "optim.lr": 0.01}
THUMBTACK = {"data": "thumbtack", "task": "likelihood", "model": "proportion", "optim": "sgd"}
XOR = {"data": "gate_xor", "task": "binary", "optim": "adam", "optim.lr": 0.03, "trainer.max_epochs": 5}
DIGITS = {"data.fraction": 0.2, "trainer.max_epochs": 2, "logger": "none"}


def asked(result, measure, **wanted):
    with learned(result, "a run") as it:
        return measure(it, **wanted)


def weights(result):
    held = load(result.folder / "checkpoints" / "best.ckpt")["state_dict"]
    return {name.removeprefix("net."): weight for name, weight in held.items()}


def plane(folder, n=90):
    """Three clouds around places that are far from 0, and of different width."""
    labels = np.arange(n) % 3
    centers = np.array([[100.0, 2.0], [160.0, 1.0], [100.0, -1.0]])
    noise = np.random.default_rng(0).normal(size=(n, 2)) * [20, 0.3]
    np.savez(folder / "plane.npz", x=(centers[labels] + noise).astype(np.float32), y=labels)
    return {"data": "npz", "data.path": str(folder / "plane.npz"), "data.shape": [2], "data.num_classes": 3}


def test_the_line_is_what_the_net_predicts_in_raw_units(run):
    held_out = {"data.val_fraction": 0.2, "data.batch_size": 9, "trainer.max_epochs": 40}
    result = run({**THERMOMETER, **held_out, "data.normalize": "standardize"})
    found = asked(result, fit.measure)
    assert {split: len(inputs) for split, (inputs, _) in found.points.items()} == {"train": 9, "val": 2}
    center, spread = found.points["train"][0].mean(), found.points["train"][0].std(ddof=1)
    slope, intercept = (weights(result)[f"linear.{name}"].item() for name in ("weight", "bias"))
    for inputs, _ in found.points.values():
        expected = slope * (inputs - center) / spread + intercept
        assert np.interp(inputs, found.places, found.line) == pytest.approx(expected, rel=1e-4)
    assert found.straight() == pytest.approx((slope / spread, intercept - slope * center / spread), rel=1e-4)
    assert found.losses["val"][1][-1] == pytest.approx(result.metrics["val/loss"])


def test_losses_over_decades_have_a_logarithmic_axis(run):
    long, short = (run({**THERMOMETER, "trainer.max_epochs": epochs, "optim.lr": 0.02}) for epochs in (400, 2))
    found = [asked(result, fit.measure) for result in (long, short)]
    (_, far), (_, near) = (part.axes for part in fit.figure(found).subfigs)
    assert [far.get_yscale(), near.get_yscale()] == ["log", "linear"]


def test_the_weights_that_are_drawn_are_marked_where_there_were_later_ones(run):
    settings = {"data.val_fraction": 0.2, "data.batch_size": 9, "trainer.max_epochs": 3}
    result = run({**THERMOMETER, **settings})
    assert result.best["epoch"] == 0  # its validation loss rises at first
    found = asked(result, fit.measure)
    assert found.best == 1
    labels = [text.get_text() for text in fit.figure([found]).subfigs[0].axes[1].get_legend().get_texts()]
    assert "weights of epoch 1, the best" in labels
    with learned(result, "a run", "last") as it:
        last = fit.measure(it)
    assert last.best is None
    assert not np.array_equal(last.line, found.line)


def test_a_line_that_goes_far_beyond_its_points_leaves_the_picture(run):
    found = asked(run({**THERMOMETER, "trainer.max_epochs": 2}), fit.measure)
    figure = fit.figure([dataclasses.replace(found, line=found.line * 1000)])
    bottom, top = figure.subfigs[0].axes[0].get_ylim()
    assert (bottom, top) == (-4 - 32, 28 + 32)  # the targets' range on either side of them


def test_a_net_that_is_no_line_is_drawn_as_a_curve_without_an_equation(run):
    result = run({**THERMOMETER, "model": "mlp", "logger": "none", "trainer.max_epochs": 3})
    found = asked(result, fit.measure)
    assert found.straight() is None
    assert found.losses == {}
    drawn(fit.figure([found]), "png")


@pytest.mark.parametrize(("logarithm", "rate"), [(True, 1e-3), (False, 0.01)])
def test_the_likelihood_is_highest_where_the_event_was_seen_so_often(run, logarithm, rate):
    data = {"data.train.data": [[10], [30]], "data.train.targets": [6, 18], "data.batch_size": 2}
    settings = {"task.logarithm": logarithm, "model.start": 0.5, "optim.lr": rate, "trainer.max_epochs": 100}
    found = asked(run({**THUMBTACK, **data, **settings}), likelihood_curve.measure)
    assert found.top == pytest.approx(0.6)
    assert found.start[0] == 0.5
    assert found.found[0] == pytest.approx(0.6, abs=1e-3)
    assert found.found[1] == pytest.approx(found.values.max(), rel=1e-4)
    assert found.start[1] == pytest.approx(found.values[499], rel=1e-6)
    assert found.observed == "24 of 40 observed"
    drawn(likelihood_curve.figure([found]), "png")


def test_a_likelihood_of_other_parameters_is_refused(run):
    result = run({**THUMBTACK, "model": "linear", "task.distribution": "Normal", "model.weight": 0.01, "model.bias": 1})
    with pytest.raises(InputError, match=r"over one probability, and model=linear has the parameters linear\.weight"):
        asked(result, likelihood_curve.measure)


def test_regions_are_the_nets_probabilities_over_the_raw_plane(run, tmp_path):
    result = run({**plane(tmp_path), "model.widths": [8], "trainer.max_epochs": 20, "data.batch_size": 9})
    found = asked(result, regions.measure)
    net = MLP([2], 3, [8])
    net.load_state_dict(weights(result))
    raw = torch.from_numpy(found.inputs)
    center, spread = raw.mean(0), raw.std(0)
    with torch.inference_mode():
        at = torch.tensor([[found.across[column], found.up[row]] for row, column in ((0, 0), (7, 200), (120, 50))])
        expected = net((at - center) / spread).softmax(1)
        right = (net((raw - center) / spread).argmax(1).numpy() == found.targets).sum()
    assert found.probabilities[[0, 7, 120], [0, 200, 50]] == pytest.approx(expected.numpy(), abs=1e-5)
    assert found.right == right
    assert found.across[0] < found.inputs[:, 0].min()
    assert found.up[-1] > found.inputs[:, 1].max()
    drawn(regions.figure([found]), "png")


def test_one_unit_on_xor_stands_beside_a_net_that_solves_it(run):
    alone = run({**XOR, "model": "linear", "model.weight": 0.0, "model.bias": 0.0})
    net = run({**XOR, "model": "mlp_sigmoid", "trainer.max_epochs": 150, "optim.lr": 0.1})
    left, right = (asked(result, regions.measure) for result in (alone, net))
    assert left.right == 4 * alone.metrics["train/accuracy"] == 2
    assert right.right == 4
    image = regions.figure([left, right])
    assert [text.get_text() for text in image.axes[0].texts] == ["0.50 everywhere"]
    assert not image.axes[1].texts
    assert "2 of 4" in image.axes[0].get_title()
    assert image.axes[2].get_ylabel() == "probability of class 1"


@pytest.mark.parametrize("split", ["test", "val"])
def test_as_many_pictures_are_wrong_as_the_accuracy_says(run, split):
    result = run({**DIGITS, "monitor.metric": "train/loss"})
    assert result.best["epoch"] == 1  # what is recorded of validation is the last epoch's
    found = asked(result, mistakes.measure, split=split, count=1000)
    assert found.wrong == len(found.pictures) == round(found.examples * (1 - result.metrics[f"{split}/accuracy"])) > 0
    assert (found.targets != found.predicted).all()
    assert (np.diff(found.probabilities) <= 0).all()
    assert found.classes == [str(number) for number in range(10)]
    few = asked(result, mistakes.measure, split=split, count=3)
    assert (few.pictures == found.pictures[:3]).all()
    assert few.wrong == found.wrong
    assert f"{found.wrong:,} of {found.examples} " in mistakes.heading(few)


def test_pictures_are_those_that_were_mistaken(run):
    from sklearn.datasets import load_digits

    result = run(DIGITS)
    found = asked(result, mistakes.measure, count=1)
    source = load_digits()
    (place,) = (source.images == found.pictures[0]).all((1, 2)).nonzero()[0]
    assert source.target[place] == found.targets[0]


def test_a_net_with_more_outputs_than_classes_can_be_mistaken_for_any_of_them(run, tmp_path):
    """Nothing is learned at such a rate."""
    result = run({"task.num_outputs": 30, "optim.lr": 1e-9, "trainer.max_epochs": 1})
    out = tmp_path / "wrong.png"
    save(picture([result.folder], "mistakes"), out)
    assert out.stat().st_size > 0


def test_a_run_without_mistakes_or_without_such_a_set_says_so(run):
    few = {"data.fraction": 0.05, "data.val_fraction": 0.0, "data.batch_size": 24, "logger": "none"}
    result = run({**few, "trainer.max_epochs": 20, "optim.lr": 0.01})
    found = asked(result, mistakes.measure, split="train")
    assert mistakes.heading(found).endswith("none of 71 training pictures is wrong")
    drawn(mistakes.figure([found]), "png")
    with pytest.raises(InputError, match="has no val set"):
        asked(result, mistakes.measure, split="val")


def test_classes_have_the_names_of_their_dataset_and_pictures_their_colours(run, mnist_files, cifar_files):
    short = {"model": "softmax", "trainer.max_epochs": 1, "logger": "none", "optim.lr": 1e-6, "data.sha256": None}
    digits = run({**short, "data": "mnist", "data_dir": str(mnist_files("MNIST"))})
    assert asked(digits, mistakes.measure).classes[7] == "7"  # torchvision says `7 - seven`
    grey = {"data": "fashion_mnist", "data_dir": str(mnist_files("FashionMNIST"))}
    shirts = asked(run({**short, **grey}), mistakes.measure)
    assert shirts.classes[:2] == ["T-shirt/top", "Trouser"]
    assert shirts.pictures.shape == (24, 28, 28)
    colour = {"data": "cifar100", "data_dir": str(cifar_files("CIFAR100"))}
    photographs = asked(run({**short, **colour}), mistakes.measure)
    assert photographs.pictures.shape == (24, 32, 32, 3)
    drawn(mistakes.figure([shirts, photographs]), "png")


def test_what_does_not_fit_is_said_with_what_does(run, capsys):
    gate, line = run({**XOR, "model": "linear"}).folder, run({**THERMOMETER, "trainer.max_epochs": 1}).folder
    assert choose([gate], None) == ("regions", [gate])
    assert choose([line], None) == ("fit", [line])
    with pytest.raises(InputError, match=r"cannot be drawn as mistakes, which takes pictures.*; it can be as regions"):
        choose([gate], "mistakes")
    assert choose([gate, line], None) == ("regions", [gate])
    assert f"left out: {line} cannot be drawn as regions" in capsys.readouterr().err
    table = run({"data": "softmax_toy", "model": "softmax", "trainer.max_epochs": 1}).folder
    with pytest.raises(InputError, match=r"cannot be drawn: data=softmax_toy has inputs of shape \[3\] and 3 classes"):
        choose([table], None)


def test_runs_that_did_not_finish_are_refused(run, tmp_path):
    with pytest.raises(Diverged):
        run({**THERMOMETER, "optim.lr": 1e5, "trainer.max_epochs": 200})
    with pytest.raises(InputError, match=r"nothing to draw: .* is diverged: the weights are not finite"):
        choose([tmp_path / "runs"], None)
    folder = run({**XOR, "model": "linear"}).folder
    result = folder / "result.json"
    stopped = {"status": "preempted", "metrics": {}, "weights_sha256": None}
    result.write_text(json.dumps({**json.loads(result.read_text()), **stopped}))
    with pytest.raises(InputError, match="is preempted"):
        choose([folder], None)
    with pytest.raises(InputError, match="there is no run folder"):
        choose([tmp_path / "nowhere"], None)


def test_a_run_whose_record_is_gone_is_named(run):
    folder = run({**XOR, "model": "linear"}).folder
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"nothing to draw: .*manifest\.json is missing"):
        picture([folder], "regions")


def test_a_panel_says_in_what_its_run_differs(run):
    folders = [run({**XOR, "model": "linear", "optim.lr": rate}).folder for rate in (0.1, 0.2)]
    assert titles(read(folders)[0]) == [f"gate_xor-linear-adam, seed 0\noptim.lr={rate}" for rate in (0.1, 0.2)]
    assert len(picture([*folders, folders[0]], "regions").axes) == 3  # each run once, and the colours' meaning


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--help", 0, "mistakes"),
        ("RUN --out picture.xyz", 1, "must end in .png, .svg or .pdf"),
        ("RUN --count 0", 1, "from 1 to 400"),
        ("RUN --what all", 1, "invalid choice"),
        ("RUN --split val", 1, "--split applies to mistakes only, but these runs are drawn as regions"),
        ("nowhere", 3, "there is no run folder"),
    ],
)
def test_help_and_mistakes_are_answered_without_torch(run, tmp_path, words, code, said):
    folder = str(run({**XOR, "model": "linear", "trainer.max_epochs": 1}).folder) if "RUN --split" in words else "RUN"
    modules = {"torch", "matplotlib", "pandas"}
    answer = without_importing(modules, ROOT / "scripts" / "draw.py", words.replace("RUN", folder).split(), tmp_path)
    assert said in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.returncode == code


def test_the_command_draws_what_fits(run, command, tmp_path):
    folder = run(DIGITS).folder
    words = ("--count", "4", "--split", "val", "--out", "new/wrong.svg")
    result = command("scripts/draw.py", str(folder), *words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "new/wrong.svg\n", "")
    assert (tmp_path / "new" / "wrong.svg").read_text().count("<image") == 4


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_pictures_ending_says_what_it_is(tmp_path, ending, begins):
    save(Figure(), tmp_path / f"picture.{ending}")
    assert (tmp_path / f"picture.{ending}").read_bytes().startswith(begins)
