"""What a search has stored, damaged or by something else."""

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from encore.config.compose import config_from
from encore.errors import InputError
from encore.files import write_json
from encore.record.record import Record
from encore.sweep import pruning
from encore.sweep.outcome import Outcome
from encore.sweep.proposals import Proposals
from encore.sweep.stored_trials import check_stored
from encore.sweep.trials import Trials

SPACE = {"optim.lr": FloatDistribution(0.1, 1.0)}


@pytest.fixture
def trials(tmp_path):
    sampler = {"_target_": "optuna.samplers.RandomSampler"}
    return Trials(tmp_path, "study", None, Proposals(SPACE, sampler, 0, "min", 1))


def test_what_is_stored_is_known(trials):
    trials.keep(0, [({"optim.lr": 0.5}, Outcome(0, "finished", 0, monitored=1.0, folder="runs/a"))])
    assert [trial.user_attrs["folder"] for trial in trials.known()] == ["runs/a"]


@pytest.mark.parametrize("attributes", [{}, {"folder": 7, "status": "finished", "error": None}, {"folder": "a"}])
def test_a_trial_that_was_stored_by_something_else_is_named(trials, attributes):
    other = create_trial(value=1.0, params={"optim.lr": 0.5}, distributions=SPACE, user_attrs=attributes)
    trials.study.add_trial(other)
    with pytest.raises(InputError, match=r"study\.journal cannot be used: trial 0: (lacks|folder)"):
        trials.known()


METRIC, VALUES = "val/loss", {"1": 0.75, "2": 0.5}


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run whose best loss is 0.5."""
    with Record.open(config_from({"runs_dir": str(tmp_path / "runs")})) as record:
        write_json(record.folder / pruning.VALUES, VALUES)
        write_json(record.folder / "manifest.json", {"seal": "record.sha256"})
        record.finish(metrics={METRIC: 0.5}, monitored=0.5)
    return record.folder


def kept(trials, folder, status="finished", values=VALUES, monitored=0.5):
    outcome = Outcome(0, status, 0, monitored=monitored, folder=folder and str(folder), values=values)
    trials.keep(0, [({"optim.lr": 0.5}, outcome)])
    return trials.known()


def edited(name, old, new):
    def edit(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def moved(folder):
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize("status", ["finished", "pruned", "diverged"])
def test_a_trial_that_is_what_its_run_gave_is_believed(trials, run, status):
    check_stored(kept(trials, run, status), METRIC, "study.journal", elsewhere=False)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edited("result.json", '"monitored": 0.5', '"monitored": 0.1'), "result.json was changed"),
        (edited("manifest.json", "record", "other"), "manifest.json was changed"),
        (edited("pruning.json", "0.75", "0.25"), "pruning.json was changed"),
        (lambda folder: (folder / "pruning.json").unlink(), "pruning.json is missing"),
        (lambda folder: (folder / "record.sha256").unlink(), "record.sha256 is missing"),
        (moved, "there is no run folder"),
    ],
)
def test_a_trial_whose_run_was_altered_is_named(trials, run, edit, said):
    edit(run)
    with pytest.raises(InputError, match=rf"trial 0: {run}.*{said}|trial 0: .*{said}.*{run}") as problem:
        check_stored(kept(trials, run), METRIC, "study.journal", elsewhere=False)
    assert "move these runs away, and delete study.journal" in str(problem.value)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"monitored": 0.1}, "is finished with a best val/loss of 0.5, and 0.1 is stored"),
        ({"values": {"1": 0.25, "2": 0.5}}, "has val/loss 0.75 after epoch 1, and 0.25 is stored"),
        ({"status": "pruned", "values": {"1": 0.25}}, "has val/loss 0.75 after epoch 1, and 0.25 is stored"),
        ({"folder": None}, "it has a value, and no run"),
    ],
)
def test_a_stored_figure_that_its_run_does_not_have_is_named(trials, run, stored, said):
    with pytest.raises(InputError, match=f"trial 0: .*{said}"):
        check_stored(kept(trials, **{"folder": run, **stored}), METRIC, "study.journal", elsewhere=False)


def test_a_run_on_another_machine_is_believed(trials, run):
    moved(run)
    check_stored(kept(trials, run), METRIC, "the study in mysql://there", elsewhere=True)
