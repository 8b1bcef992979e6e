"""Claims: what holds and what fails, which exit code that gives, and what is said of claims that cannot be."""

import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, without_importing

from encore.analysis.claims.experiments import recipe
from encore.config import places
from encore.config.check import check
from encore.config.compose import config_from
from encore.provenance.fingerprint import fingerprint
from encore.runner.parts import build_task

EXPERIMENT = """\
# @package _global_
defaults:
  - override /data: digits
  - override /model: softmax
  - override /optim: sgd
data: {fraction: 0.2}
optim: {lr: 3.0}
trainer: {max_epochs: 4, accelerator: cpu}
threads: 1
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Where the runs of this file are, so that each is run once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def claims(tmp_path, runs, monkeypatch, capsys):
    """The command with experiments of the test's own: `claims({"claim": claims, …}, *words)`.

    It answers with the exit code, what was printed, what was complained of, and claims.json.
    """
    configs = tmp_path / "configs"
    shutil.copytree(places.engine(), configs)
    shutil.rmtree(configs / "experiment")
    spec = importlib.util.spec_from_file_location("claims_command", ROOT / "scripts" / "claims.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("ENCORE_CONFIGS", str(configs))
    monkeypatch.setenv("ENCORE_RUNS_DIR", str(runs))
    monkeypatch.chdir(tmp_path)

    def go(experiments, *words, recipe=EXPERIMENT):
        (configs / "experiment").mkdir(exist_ok=True)
        for name, entries in experiments.items():
            text = (recipe if isinstance(recipe, str) else recipe[name]) + yaml.safe_dump({"claims": entries})
            (configs / "experiment" / f"{name}.yaml").write_text(text)
        alone = [] if "--jobs" in words else ["--jobs", "1"]
        monkeypatch.setattr(sys, "argv", ["claims.py", *alone, *words])
        with pytest.raises(SystemExit) as stop:
            module.end(module.main)
        said, kept = capsys.readouterr(), Path("claims/claims.json")
        return stop.value.code, said.out, said.err, json.loads(kept.read_text()) if kept.exists() else None

    return go


KINDS = {
    "last epoch": {"metric": "train/loss"},
    "epoch by number": {"metric": "val/loss", "epoch": 2},
    "best epoch": {"metric": "val/accuracy", "epoch": "best"},
    "epochs": {"metric": "train/loss", "epoch": 2, "value": [0, 0, 0]},
    "step": {"metric": "train/loss", "step": 3},
    "steps": {"metric": "train/loss", "step": 1, "value": [0, 0, 0]},
    "test set": {"metric": "test/accuracy"},
    "last weights": {"parameter": "linear.bias", "value": [0] * 10},
    "best weights": {"parameter": "linear.bias", "epoch": "best", "value": [0] * 10},
    "seeds": {"metric": "test/accuracy", "seeds": 2},
    "gradient": {"gradient": "linear.bias", "value": [0] * 10},
    "epochs until": {"metric": "train/accuracy", "reaches": 0.8},
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_holds_within_its_tolerance_and_fails_beyond(claims, kind):
    entry = {"value": 0, **KINDS[kind], "source": "here"}
    _, _, _, (found,) = claims({"own": [{**entry, "atol": 1e9}]})
    measured = found["measured"]
    *others, last = measured
    tolerances = (({"atol": 0.01}, 0.01), ({"rtol": 0.01}, 0.01 * abs(last)))
    for shares, code in (((0.4, -0.4), 0), ((2.5, -2.5), 4)):
        moved = [(last + share * spread, tolerance) for share in shares for tolerance, spread in tolerances]
        entries = [{**entry, "value": [*others, to] if others else to, **tolerance} for to, tolerance in moved]
        ended, said, complaint, found = claims({"own": entries})
        assert (ended, [each["holds"] for each in found]) == (code, [code == 0] * 4), said
        assert ("4 of 4 claims do not hold" in complaint) == (code == 4)
        assert [each["measured"] for each in found] == [measured] * 4  # the run is the same: claims are no part of it


def test_a_list_that_fails_says_where(claims):
    curve = {"metric": "train/loss", "epoch": 1, "value": [0] * 4, "atol": 1e9, "source": "here"}
    losses = claims({"own": [curve]})[3][0]["measured"]
    third = [*losses[:2], losses[2] + 0.1, losses[3]]
    ended, said, _, (found,) = claims({"own": [{**curve, "value": third, "atol": 0.01}]})
    assert (ended, found["difference"]) == (4, "0.1, of 0.01 allowed, at epoch 3")
    assert "[1/1] own: train/loss, epochs 1 to 4 does not hold: " in said.splitlines()[0]
    bound = {"metric": "train/loss", "epoch": "all", "at_least": min(losses) + 0.01, "source": "here"}
    assert claims({"own": [bound]})[3][0]["difference"].endswith(f"at epoch {losses.index(min(losses)) + 1}")
    bias = {"parameter": "linear.bias", "value": [0] * 9 + [99], "atol": 10, "source": "here"}
    assert claims({"own": [bias]})[3][0]["difference"].endswith("at number 10")


def test_each_verdict_is_printed_before_the_next_run(claims, monkeypatch):
    from encore.analysis.claims import runs

    told, plain = [], runs.result_of
    monkeypatch.setattr("builtins.print", lambda *words, **_: told.append(str(words[0]) if words else ""))
    monkeypatch.setattr(runs, "result_of", lambda *given: told.append("run") or plain(*given))
    claims({name: [{"status": "finished", "source": "here"}] for name in ("one", "two")})
    order = [each.partition(":")[0] for each in told if each == "run" or each.startswith("[")]
    assert order == ["run", "[1/2] one", "run", "[2/2] two"]


def test_a_bound_fails_past_it(claims):
    subject = {"metric": "test/accuracy", "source": "here"}
    _, _, _, (found,) = claims({"own": [{**subject, "at_least": 0}]})
    (value,) = found["measured"]
    for bounds, code in (
        ({"at_least": value}, 0),
        ({"at_most": value}, 0),
        ({"at_least": value + 1e-6}, 4),
        ({"at_most": value - 1e-6}, 4),
        ({"at_least": value - 0.1, "at_most": value + 0.1}, 0),
        ({"at_least": value - 0.2, "at_most": value - 0.1}, 4),
    ):
        assert claims({"own": [{**subject, **bounds}]})[0] == code, bounds


def test_a_bound_of_many_figures_is_one_of_each(claims):
    curve = {"metric": "train/loss", "epoch": 1, "value": [0] * 4, "atol": 1e9, "source": "here"}
    losses = claims({"own": [curve]})[3][0]["measured"]
    bounds = {"metric": "train/loss", "epoch": "all", "at_least": min(losses), "at_most": max(losses), "source": "here"}
    ended, said, _, (found,) = claims({"own": [bounds]})
    assert (ended, found["measured"]) == (0, [min(losses), max(losses)])
    assert f"{min(losses):.7g} to {max(losses):.7g}" in said
    for wrong in ({"at_least": min(losses) + 1e-6}, {"at_most": max(losses) - 1e-6}):
        assert claims({"own": [{**bounds, **wrong}]})[0] == 4
    wide = {**bounds, "at_least": -1, "at_most": 1e9, "seeds": 3}
    least, most = claims({"own": [wide]})[3][0]["measured"]
    assert claims({"own": [{**wide, "at_least": least, "at_most": most}]})[0] == 0
    assert claims({"own": [{**wide, "at_most": most - 1e-6}]})[0] == 4  # of each seed, not of their mean
    inputs = {"inputs": "train", "source": "here"}
    assert claims({"own": [{**inputs, "at_least": -20, "at_most": 20}]})[0] == 0
    assert claims({"own": [{**inputs, "at_most": 1}]})[0] == 4


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seeds", [{}, {"seeds": 3}])
def test_an_order_of_two_experiments(claims, seeds):
    """Ten epochs of a fitting rate lead to a lower loss than one of a rate that is far too small."""
    order = {"metric": "train/loss", "source": "here", **seeds}
    bad, slow = EXPERIMENT.replace("lr: 3.0", "lr: 1e-4"), {"other": [{"status": "finished", "source": "here"}]}
    claims(slow, recipe=bad)
    for side, code in (("below", 0), ("above", 4)):
        ended, said, _, (found, *_) = claims({"own": [{**order, side: "other"}]}, "own")
        assert ended == code, said
        assert found["difference"].startswith("-")
        assert found["measured"][0] < found["against"]
        assert ("95 %" in found["difference"]) == bool(seeds)
    ended, _, complaint, _ = claims({"own": [{**order, "below": "othr"}]}, "own")
    assert (ended, "there is no experiment=othr" in complaint) == (1, True)


def test_an_order_of_what_the_other_experiment_has_not_is_refused_before_anything_runs(claims, runs):
    claims({"other": [{"status": "finished", "source": "here"}]}, recipe=EXPERIMENT.replace("epochs: 4", "epochs: 2"))
    order = {"metric": "train/loss", "epoch": 3, "below": "other", "source": "here"}
    before = set(runs.rglob("result.json"))
    ended, _, complaint, _ = claims({"own": [order]}, "own", recipe=EXPERIMENT.replace("lr: 3.0", "lr: 0.7"))
    assert ended == 1
    assert "experiment=own claims of experiment=other.epoch=3: epoch 3 is claimed, but" in complaint
    assert set(runs.rglob("result.json")) == before


def test_a_figure_that_is_never_reached_fails(claims):
    never = {"metric": "train/loss", "reaches": 1e-9, "at_most": 4, "source": "here", "seeds": 2}
    ended, said, _, (found,) = claims({"own": [never]})
    assert (ended, found["holds"]) == (4, False)
    assert "seed 0: train/loss never reaches 1e-09 in 4 epochs" in said


def test_the_gradient_is_that_of_the_first_step(claims):
    """Of one batch of all examples, it is what the first step takes away from the weights."""
    recipe = (
        EXPERIMENT.replace("digits", "softmax_toy")
        .replace("{fraction: 0.2}", "{}")
        .replace("max_epochs: 4", "max_epochs: 1")
    )
    recipe = recipe.replace("3.0", "1.0")
    gradient = {"gradient": "linear.bias", "value": [0] * 3, "atol": 1e9, "source": "here"}
    weights = {"parameter": "linear.bias", "value": [0] * 3, "atol": 1e9, "source": "here"}
    _, _, _, (found, after) = claims({"own": [gradient, weights]}, recipe=recipe)
    first = build_task(config_from({"data": "softmax_toy", "model": "softmax"})).net.linear.bias.tolist()
    assert [b - g for b, g in zip(first, found["measured"], strict=True)] == pytest.approx(after["measured"], abs=1e-6)


def test_the_difference_shown_is_the_greatest_against_its_tolerance(claims):
    curve = {"metric": "train/loss", "epoch": 1, "value": [0] * 4, "atol": 1e9, "source": "here"}
    losses = claims({"own": [curve]})[3][0]["measured"]
    moved = [losses[0] * (1 + 9e-4), *losses[1:3], losses[3] * (1 + 1e-4)]  # the first is the largest
    (found,) = claims({"own": [{**curve, "value": moved, "atol": 0, "rtol": 1e-3}]})[3]
    assert found["difference"] == "relative 0.0009, of 0.001 allowed, at epoch 1"


def test_best_and_last_are_what_they_say(claims):
    curve = {"metric": "val/loss", "epoch": 1, "value": [0] * 4, "atol": 1e9, "source": "here"}
    best = {**curve, "epoch": "best", "value": 0}
    _, _, _, found = claims({"own": [curve, best, {**best, "epoch": "last"}]})
    losses = found[0]["measured"]
    assert found[1]["measured"] == [min(losses)]
    assert found[2]["measured"] == losses[-1:]


def test_the_inputs_are_those_that_are_trained_on(claims):
    rows = [[-1.0674, -0.3758, -0.8398], [0.7418, 0.2778, 0.5863], [0.3799, 0.5229, 0.3486]]
    rows += [[1.0132, 1.0948, 1.1409], [-1.0674, -1.5197, -1.2360]]
    recipe = EXPERIMENT.replace("digits", "exam_scores").replace("softmax", "linear").replace("3.0", "0.1")
    recipe = recipe.replace("defaults:", "defaults:\n  - override /task: regression").replace("{fraction: 0.2}", "{}")
    for by, code in ((0, 0), (2e-4, 4)):
        moved = [*rows[:-1], [rows[-1][0] + by, *rows[-1][1:]]]
        entry = {"inputs": "train", "value": moved, "atol": 5e-5, "source": "here"}
        assert claims({"own": [entry]}, recipe=recipe)[0] == code


def test_a_status_is_claimed_and_a_run_that_diverged_has_no_figures(claims):
    diverging = EXPERIMENT.replace("lr: 3.0", "lr: 1e38")
    status, loss = {"status": "diverged", "source": "here"}, {"metric": "train/loss", "source": "here", "at_most": 1e30}
    first = {"metric": "train/loss", "source": "here", "step": 1, "at_most": 1e30}  # it was logged before
    ended, said, _, found = claims({"own": [status, loss, first]}, recipe=diverging)
    assert (ended, [each["holds"] for each in found]) == (4, [True, False, True])
    assert "diverged: the " in said
    assert claims({"own": [status]}, recipe=diverging)[0] == 0
    assert claims({"own": [{**status, "status": "finished"}]}, recipe=diverging)[0] == 4
    assert claims({"own": [status]})[0] == 4


@pytest.mark.parametrize(("lr", "status"), [("3.0", "finished"), ("1e38", "diverged")])
def test_what_has_been_run_is_not_run_again(claims, runs, lr, status):
    recipe = EXPERIMENT.replace("lr: 3.0", f"lr: {lr}").replace("max_epochs: 4", "max_epochs: 3")
    entry = {"status": status, "source": "here"}
    before = set(runs.rglob("result.json"))
    assert claims({"own": [entry]}, recipe=recipe)[0] == 0
    (new,) = set(runs.rglob("result.json")) - before
    written = new.stat().st_mtime_ns
    assert claims({"own": [entry, {**entry, "disputed": "no"}]}, recipe=recipe)[0] == 0
    assert new.stat().st_mtime_ns == written


def test_what_is_not_there_is_not_checked_and_never_held(claims):
    recipe = EXPERIMENT.replace("digits", "npz").replace(
        "{fraction: 0.2}", "{path: no.npz, shape: [4], num_classes: 2}"
    )
    good = {"metric": "test/accuracy", "at_least": 0, "source": "here"}
    ended, said, _, (found,) = claims({"own": [good]}, recipe=recipe)
    assert (ended, found["holds"], found["measured"]) == (0, None, [])
    assert "there is no file no.npz" in said
    assert "1 claims: 1 not checked" in said


def test_a_disputed_claim_is_shown_apart_and_fails_nothing(claims):
    wrong = {"metric": "test/accuracy", "at_least": 2, "source": "here"}
    ended, said, _, _ = claims({"own": [{**wrong, "disputed": "no accuracy is above 1"}]})
    assert ended == 0
    assert "no accuracy is above 1" in said
    assert "1 claims: 1 disputed" in said
    page = Path("claims/claims.md").read_text()
    assert page.index("## Disputed") < page.index("no accuracy is above 1")
    assert claims({"own": [wrong, {**wrong, "disputed": "no accuracy is above 1"}]})[0] == 4


def test_those_that_are_named_are_checked(claims):
    good, wrong = ({"metric": "test/accuracy", "at_least": bound, "source": "here"} for bound in (0, 2))
    both = {"good": [good], "wrong": [wrong], "silent": []}
    assert claims(both)[0] == 4
    assert claims(both, "good")[0] == 0
    assert claims(both, "wrong")[0] == 4
    ended, _, complaint, _ = claims(both, "silent")
    assert (ended, complaint) == (1, "error: experiment=silent makes no claims; these do: good, wrong\n")
    assert claims(both, "goood")[0] == 1


GOOD = {"metric": "train/loss", "value": 0.5, "rtol": 0.1, "source": "here"}


@pytest.mark.sampled(12)
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**GOOD, "rtoll": 0.1}, "claims[0].rtoll is not part of a claim; choose from metric"),
        ({**GOOD, "source": ""}, "claims[0].source='': must be a text"),
        ({key: GOOD[key] for key in ("metric", "value", "rtol")}, "claims[0]: has no source"),
        ({"value": 1, "rtol": 0.1, "source": "here"}, "claims[0]: claims nothing; exactly one of metric"),
        ({**GOOD, "parameter": "w"}, "claims[0]: claims metric and parameter; exactly one"),
        ({"status": "diverged", "value": 1, "source": "here"}, "claims[0]: a status has no value"),
        ({"metric": "train/loss", "source": "here"}, "claims[0]: needs one of: a value"),
        ({**GOOD, "at_least": 0}, "claims[0]: needs one of: a value"),
        ({**GOOD, "below": "other"}, "claims[0]: needs one of: a value"),
        (
            {"metric": "train/loss", "at_least": 2, "at_most": 1, "source": "here"},
            "no figure is at least 2 and at most 1",
        ),
        ({**GOOD, "epoch": "all"}, "claims[0].epoch=all: is of at_least or at_most"),
        ({**GOOD, "reaches": 1, "epoch": 2}, "more than one of epoch, step and reaches"),
        ({"status": "finished", "reaches": 1, "source": "here"}, "a status has no reaches"),
        ({"parameter": "w", "reaches": 1, "value": 1, "rtol": 1, "source": "here"}, "only metrics can reach a figure"),
        ({"gradient": "w", "value": 1, "rtol": 1, "source": "here"}, "no parameter w; choose from linear.weight"),
        ({"gradient": "w", "epoch": "last", "value": 1, "rtol": 1, "source": "here"}, "the same in every epoch"),
        ({"metric": "train/loss", "value": 1, "source": "here"}, "has no tolerance; add rtol"),
        ({"metric": "train/loss", "at_least": 1, "rtol": 1, "source": "here"}, "rtol is of a value"),
        ({**GOOD, "value": float("nan")}, "must be a finite number"),
        ({**GOOD, "value": []}, "must be a finite number"),
        ({**GOOD, "rtol": -1}, "claims[0].rtol=-1: must be a number at least 0"),
        ({**GOOD, "seeds": 0}, "claims[0].seeds=0: must be a whole number, at least 1"),
        ({**GOOD, "epoch": "first"}, "claims[0].epoch='first': must be an epoch's number"),
        ({**GOOD, "epoch": 0}, "claims[0].epoch=0: must be an epoch's number, counted from 1"),
        ({**GOOD, "epoch": 5}, "epoch 5 is claimed, but trainer.max_epochs=4"),
        ({**GOOD, "epoch": 3, "value": [1, 2, 3]}, "epoch 5 is claimed, but trainer.max_epochs=4"),
        ({**GOOD, "value": [1, 2]}, "several values are those of consecutive epochs or steps"),
        ({**GOOD, "metric": "train/los"}, "train/los is never logged; choose from train/loss"),
        ({**GOOD, "metric": "test/loss", "epoch": 2}, "the test set is read once"),
        ({**GOOD, "metric": "val/loss", "step": 2}, "of every step only train/loss is kept"),
        ({**GOOD, "epoch": 1, "step": 2}, "more than one of epoch, step and reaches"),
        ({"parameter": "w", "value": 1, "rtol": 1, "epoch": 2, "source": "here"}, "only metrics are recorded at every"),
        ({"parameter": "w", "value": 1, "rtol": 1, "source": "here"}, "no parameter w; choose from linear.weight"),
        ({"parameter": "linear.bias", "value": 1, "rtol": 1, "source": "here"}, "is 10 numbers, but 1 are claimed"),
        ("train/loss is 0.5", "each item must be settings by name"),
    ],
)
def test_a_claim_that_cannot_be_is_answered_with_the_remedy(claims, entry, said):
    ended, _, complaint, kept = claims({"own": [entry]})
    assert ended == 1
    assert said in complaint
    assert complaint.startswith("error: ")
    assert "experiment=own: " in complaint or kept
    assert "Traceback" not in complaint
    assert kept is None or [each["holds"] for each in kept] == [None]


def test_claims_change_no_run():
    cfg = config_from({})
    assert fingerprint({**cfg, "claims": [GOOD]}) == fingerprint(cfg)
    check({**cfg, "claims": [{**GOOD, "rtoll": 1}]})  # a key of another version spoils no record


def test_an_experiment_can_be_varied_whatever_it_claims(run):
    assert run({"experiment": "exam_scores", "trainer.max_epochs": 2}).epochs == 2


def test_what_another_experiment_claims_is_inherited(claims):
    good = {"metric": "test/accuracy", "at_least": 0, "source": "here"}
    both = {"good": [good]}
    claims(both)
    child = Path("configs/experiment/child.yaml")
    child.write_text("# @package _global_\ndefaults: [good, _self_]\nseed: 1\n")
    assert [each["experiment"] for each in claims(both)[3]] == ["child", "good"]
    child.write_text("# @package _global_\ndefaults: [good, _self_]\nseed: 1\nclaims: []\n")
    assert [each["experiment"] for each in claims(both)[3]] == ["good"]


def test_one_that_cannot_be_checked_takes_no_other_along(claims, runs):
    good = {"metric": "test/accuracy", "at_least": 0, "source": "here"}
    claims({"good": [good]})
    elsewhere = EXPERIMENT.replace("accelerator: cpu", "accelerator: mps")
    ended, said, _, found = claims({"elsewhere": [good]}, recipe=elsewhere)
    assert (ended, {each["experiment"]: each["holds"] for each in found}) == (0, {"elsewhere": None, "good": True})
    assert "asks for a device that this machine lacks" in said
    broken = EXPERIMENT.replace("{fraction: 0.2}", "{train: {_target_: no.such}}")
    ended, said, complaint, found = claims({"broken": [good]}, "broken", "good", recipe=broken)
    assert (ended, [each["holds"] for each in found]) == (1, [None, True])
    assert complaint.startswith("error: experiment=broken: ")


def test_a_run_that_is_damaged_is_not_passed_over(claims, runs):
    weights = {"parameter": "linear.bias", "value": [0] * 10, "atol": 1e9, "source": "here"}
    recipe = EXPERIMENT.replace("max_epochs: 4", "max_epochs: 1")
    before = set(runs.rglob("last.ckpt"))
    assert claims({"own": [weights]}, recipe=recipe)[0] == 0
    (checkpoint,) = set(runs.rglob("last.ckpt")) - before
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    ended, _, complaint, (found,) = claims({"own": [weights]}, recipe=recipe)
    assert (ended, found["holds"]) == (3, None)
    assert "last.ckpt" in complaint


def test_the_table_is_shown_where_it_cannot_be_written(claims):
    good = {"metric": "test/accuracy", "at_least": 0, "source": "here"}
    Path("claims/claims.md").mkdir(parents=True)
    ended, said, complaint, _ = claims({"own": [good]})
    assert (ended, "1 claims: 1 hold" in said) == (74, True)
    assert complaint.startswith("error: --out claims cannot be written")


def test_data_that_are_missing_are_not_downloaded(claims, tmp_path, monkeypatch):
    monkeypatch.setenv("ENCORE_DATA_DIR", str(tmp_path / "empty"))
    recipe = EXPERIMENT.replace("digits", "mnist")
    good = {"metric": "test/accuracy", "at_least": 0, "source": "here"}
    ended, said, complaint, (found,) = claims({"own": [good]}, recipe=recipe)
    assert (ended, found["holds"], complaint) == (0, None, "")
    assert "encore fetch_data mnist fetches it" in said


def test_the_course_notes_figures_hold(command):
    done = command("scripts/claims.py", "softmax_toy_overshoots", "softmax_toy_stands_still", "softmax_toy_learns",
                   "exam_scores", "exam_scores_raw")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 claims: 6 hold" in done.stdout


def test_a_mistake_is_answered_without_torch(tmp_path):

    modules = {"torch", "pytorch_lightning", "matplotlib"}
    answer = without_importing(modules, ROOT / "scripts" / "claims.py", ["nothing"], tmp_path)
    assert answer.returncode == 1
    assert "there is no experiment=nothing" in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_another_process_makes_the_last_runs_first(claims, tmp_path, monkeypatch):
    """This process waits with its first run for that of the last experiment, which it has not come to."""
    from encore.analysis.claims import runs

    monkeypatch.setenv("ENCORE_RUNS_DIR", str(tmp_path / "runs"))
    recipe = {
        name: EXPERIMENT.replace("lr: 3.0", f"lr: {lr}")
        for name, lr in (("first", 3.0), ("second", 2.0), ("third", 1.0))
    }
    plain, others = runs.result_of, []

    def patient(cfg, waits):
        until = time.monotonic() + 300
        while not others and time.monotonic() < until:
            others[:] = (tmp_path / "runs").rglob("result.json")
            time.sleep(0.1)
        return plain(cfg, waits)

    monkeypatch.setattr(runs, "result_of", patient)
    entries = {name: [{"status": "finished", "source": "here"}] for name in recipe}
    code, said, _, found = claims(entries, "--jobs", "2", recipe=recipe)
    assert (code, [each["holds"] for each in found]) == (0, [True] * 3)
    assert [line.partition(":")[0] for line in said.splitlines()[:3]] == ["[1/3] first", "[2/3] second", "[3/3] third"]
    assert "lr1" in str(others[0])


def test_the_number_of_processes_is_checked(claims):
    assert claims({"own": [{"status": "finished", "source": "here"}]}, "--jobs", "0")[0] == 1


def test_a_seed_that_is_set_in_what_was_composed_is_that_of_the_command_line():
    kept = {}
    for name in ("digits_mlp", "xor_4_layers", "mnist_cnn"):
        for seed in (None, 0, 7):
            given = {} if seed is None else {"seed": seed}
            assert recipe(name, seed, kept) == config_from({"experiment": name, **given})
    assert kept.keys() == {"digits_mlp", "xor_4_layers", "mnist_cnn"}
