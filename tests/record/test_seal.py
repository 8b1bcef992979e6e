"""A record that was altered after its run is named by every command that shows a figure of it."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import encore
from encore.analysis.claims.measure import parameter
from encore.analysis.results.altered import altered
from encore.analysis.results.metrics import curve
from encore.analysis.results.run_table import read
from encore.analysis.results.runs import results, unfinished
from encore.commands import evaluate, reproduce
from encore.errors import InputError
from encore.record import seal
from encore.record.result import Result

ROOT = Path(__file__).parents[2]
SETTINGS = {"trainer.max_epochs": 2, "threads": 1, "trainer.accelerator": "cpu"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two finished runs, seeds 0 and 1, and the first one done again elsewhere."""
    place = tmp_path_factory.mktemp("sealed")
    first, second = (encore.run({**SETTINGS, "runs_dir": str(place / "runs"), "seed": seed}) for seed in (0, 1))
    again = encore.run({**SETTINGS, "runs_dir": str(place / "again")})
    return first.folder, second.folder, again.folder


@pytest.fixture
def folder(runs, tmp_path):
    """A copy of the first run, in a folder of runs."""
    there = tmp_path / "runs" / runs[0].parents[1].name / runs[0].name  # as earlier versions had it
    shutil.copytree(runs[0], there)
    return there


def in_json(name, *path, value="forged"):
    """An edit of a value in a JSON file."""

    def edit(folder):
        held = json.loads((folder / name).read_text())
        node = held
        for key in path[:-1]:
            node = node[key]
        if value is REMOVED:
            del node[path[-1]]
        else:
            node[path[-1]] = value(node[path[-1]]) if callable(value) else value
        (folder / name).write_text(json.dumps(held, indent=2) + "\n")

    return edit


REMOVED = object()


def bytes_of(name, change):
    """An edit of a file's bytes."""

    def edit(folder):
        file = next(folder.glob(name))
        file.write_bytes(change(file.read_bytes()))

    return edit


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def longer(content):
    return content + b"\n"


def endless(name):
    """An edit after which nobody could read a file to its end."""
    return lambda folder: os.truncate(folder / name, 2**42)


def looped(folder):
    """An edit after which a folder's files are found by nobody."""
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").symlink_to("checkpoints")


def gone(name):
    return lambda folder: next(folder.glob(name)).unlink()


def swapped(name):
    def edit(folder):
        shutil.copy(next(OTHER[0].glob(name)), next(folder.glob(name)))

    return edit


OTHER = []  # the second run's folder


# What shows a figure of a run: each gives it, or raises InputError with what is wrong.
def by_runs(folder):
    found, left_out = results(folder.parents[1])
    refuse(left_out)
    return found[0].metrics["test/accuracy"] if found else None


def by_report(folder):
    table, left_out = read([folder])
    refuse(left_out)
    return table.runs[0].metrics["test/accuracy"]


def by_ensemble(folder):
    refuse([problem for problem in (unfinished(folder) or altered(folder),) if problem])


def by_curves(folder):
    Result.read(folder)
    return curve(folder, "val/loss")[1][-1]


def by_claims(folder):
    return parameter(Result.read(folder), "layers.2.bias", "best")[0]


def runs_dir(folder):
    return str(next(above for above in folder.parents if above.name == "digits-mlp-adam").parent)


def by_again(folder):
    return encore.run({**SETTINGS, "runs_dir": runs_dir(folder)}).metrics["test/accuracy"]


def by_evaluate(folder):
    sys.argv = ["evaluate", str(folder)]
    evaluate.main()


def by_reproduce(folder):
    words, code = reproduce.answer(parsed(folder), reproduce.Findings(), folder.parents[2] / "scratch")
    if code == InputError.code:
        raise InputError(words)
    raise AssertionError(words)  # it would have run again


def parsed(folder):
    none = ("data_dir", "tolerance", "out", "certificate", "signers")
    return argparse.Namespace(run=folder, run_recorded_code=False, **dict.fromkeys(none))


def refuse(problems):
    if problems:
        raise InputError("\n".join(problems))


READERS = {
    "runs": by_runs, "report": by_report, "ensemble": by_ensemble, "curves": by_curves, "claims": by_claims,
    "again": by_again,
}  # fmt: skip
ALL = (*READERS, "evaluate", "reproduce")
LOG, WEIGHTS = ("report", "curves", "reproduce"), ("ensemble", "claims", "evaluate", "reproduce")
IN_RESULT = [
    "status", "fingerprint", "seed", "name", "started", "metrics", "monitored", "best", "weights_sha256",
    "losses_sha256", "epochs", "steps", "seconds", "lineage", "stopped_early", "error", "undeclared",
]  # fmt: skip
IN_MANIFEST = [
    "schema", "seal", "status", "fingerprint", "arguments", "config", "config_sha256", "code", "environment",
    "precision", "device", "world_size", "seeds", "data", "attempts", "started", "batches_per_epoch", "weights",
    "order_sha256", "checkpoints", "metrics", "weights_sha256", "losses_sha256", "epochs", "steps", "ended",
    "seconds", "peak_memory_bytes",
]  # fmt: skip
# An edit, the file that has to be named, and who has to name it; all others show what the run gave.
EDITS = {
    "a better metric": (in_json("result.json", "metrics", "test/accuracy", value=0.99), "result.json", ALL),
    "a metric more": (in_json("result.json", "metrics", "test/f1", value=0.99), "result.json", ALL),
    "a better best value": (in_json("result.json", "best", "value", value=0.01), "result.json", ALL),
    **{f"result.json {name}": (in_json("result.json", name), "result.json", ALL) for name in IN_RESULT},
    "no status": (in_json("result.json", "status", value="failed"), "result.json", ALL),
    **{f"manifest.json {name}": (in_json("manifest.json", name), "manifest.json", ALL) for name in IN_MANIFEST},
    "no metrics": (in_json("manifest.json", "metrics", value={}), "manifest.json", ALL),
    "another seed": (in_json("manifest.json", "config", "seed", value=7), "manifest.json", ALL),
    "another optimiser": (in_json("manifest.json", "config", "optim", "name", value="sgd"), "manifest.json", ALL),
    "config": (bytes_of("config.yaml", lambda text: text.replace(b"devices: 1", b"devices: 2")), "config.yaml", ALL),
    "config longer": (bytes_of("config.yaml", longer), "config.yaml", ALL),
    "config gone": (gone("config.yaml"), "config.yaml", ALL),
    "manifest gone": (gone("manifest.json"), "manifest.json", ALL),
    "seal gone": (gone("record.sha256"), "record.sha256", ALL),
    "seal of another run": (swapped("record.sha256"), "was changed", ALL),
    "seal empty": (bytes_of("record.sha256", lambda _: b""), "record.sha256", ALL),
    "manifest of another run": (swapped("manifest.json"), "manifest.json", ALL),
    "result of another run": (swapped("result.json"), "result.json", ALL),
    "losses longer": (bytes_of("losses.f32", longer), "losses.f32", ("reproduce",)),
    "losses flipped": (bytes_of("losses.f32", flipped), "losses.f32", ("reproduce",)),
    "losses gone": (gone("losses.f32"), "losses.f32", ("reproduce",)),
    "losses of another run": (swapped("losses.f32"), "losses.f32", ("reproduce",)),
    "log flipped": (bytes_of("metrics.csv", lambda text: text.replace(b"0.", b"0.1", 1)), "metrics.csv", LOG),
    "log longer": (bytes_of("metrics.csv", longer), "metrics.csv", LOG),
    "log endless": (endless("metrics.csv"), "metrics.csv", LOG),
    "config endless": (endless("config.yaml"), "config.yaml", ALL),
    "weights endless": (endless("checkpoints/best.ckpt"), "best.ckpt", WEIGHTS),
    "log gone": (gone("metrics.csv"), "metrics.csv", LOG),
    "log of another run": (swapped("metrics.csv"), "metrics.csv", LOG),
    "best weights zeroed": (bytes_of("checkpoints/best.ckpt", lambda b: bytes(len(b))), "best.ckpt", WEIGHTS),
    "best weights of another run": (swapped("checkpoints/best.ckpt"), "best.ckpt", WEIGHTS),
    "best weights gone": (gone("checkpoints/best.ckpt"), "best.ckpt", ("claims", "evaluate", "reproduce")),
    "weights in a loop": (looped, "checkpoints", ("claims", "evaluate", "reproduce")),
    "last weights": (bytes_of("checkpoints/last.ckpt", flipped), "last.ckpt", ("ensemble", "evaluate", "reproduce")),
    "last weights gone": (gone("checkpoints/last.ckpt"), "last.ckpt", ("reproduce",)),
    "digests longer": (bytes_of("checkpoints/digests.json", longer), "digests.json", ("reproduce",)),
    "events longer": (bytes_of("events.*", longer), "events.out.tfevents", ("reproduce",)),
    "events more": (lambda folder: (folder / "events.out.tfevents.2").write_text(""), "was added", ("reproduce",)),
    "a table more": (lambda folder: table_in(folder), "tables/test-confusion.csv was added", ("reproduce",)),
    "train.log": (bytes_of("train.log", longer), "train.log", ("reproduce",)),
}  # fmt: skip


def table_in(folder):
    (folder / "tables").mkdir()
    (folder / "tables" / "test-confusion.csv").write_text("1,0\n0,1\n")


@pytest.mark.sampled(13)
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_named_by_whoever_shows_what_was_edited(runs, folder, edit, monkeypatch):
    OTHER[:] = [runs[1]]
    monkeypatch.setattr(sys, "argv", [])
    change, said, readers = EDITS[edit]
    change(folder)
    for name in readers:
        with pytest.raises(InputError, match=seal.re.escape(said)) as problem:
            {**READERS, "evaluate": by_evaluate, "reproduce": by_reproduce}[name](folder)
        assert str(folder) in str(problem.value), name
    for name in READERS.keys() - set(readers):
        assert READERS[name](folder) == READERS[name](runs[0])


def test_the_seal_can_be_checked_without_encore(runs):
    if shutil.which("sha256sum") is None:
        pytest.skip("needs sha256sum")
    answer = subprocess.run(
        ["sha256sum", "-c", "record.sha256"], cwd=runs[0], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count(": OK") == len(list(seal.bound(runs[0]))) >= 10


def test_a_user_s_own_files_are_not_of_the_record(folder):
    (folder / "notes.txt").write_text("mine")
    seal.check_all(folder)
    assert by_again(folder) == by_runs(folder)


def test_a_folder_under_another_run_s_name_is_named(runs, folder):
    there = folder.with_name(runs[1].name)
    folder.rename(there)
    for name in ("runs", "report", "ensemble", "curves", "claims"):
        with pytest.raises(InputError, match="holds a different run than its name says: digits-mlp-adam"):
            READERS[name](there)
    with pytest.raises(InputError, match="holds a different run than its name says"):
        encore.run({**SETTINGS, "runs_dir": runs_dir(folder), "seed": 1})
    own = there.rename(there.with_name("mine"))
    assert by_report(own) == by_report(runs[0])


def running(folder):
    """What result.json said before the run was over."""
    held = json.loads((folder / "result.json").read_text())
    begun = {name: held[name] for name in ("fingerprint", "seed", "name", "started", "lineage")}
    (folder / "result.json").write_text(json.dumps({**begun, "status": "running"}))


def before_the_seal(folder):
    running(folder)
    (folder / seal.FILE).unlink()


# A run that was killed there, when it was about to be over, or had just been begun anew.
@pytest.mark.parametrize("killed", [running, before_the_seal])
def test_a_run_killed_at_its_end_goes_on_and_is_sealed_again(runs, folder, killed):
    killed(folder)
    assert Result.read(folder).metrics == {}
    result = encore.run({**SETTINGS, "runs_dir": runs_dir(folder)})
    assert (result.status, result.metrics) == ("finished", Result.read(runs[0]).metrics)
    assert result.weights_sha256 == Result.read(runs[0]).weights_sha256
    seal.check_all(folder)


KILLED = """
import os, signal, sys
import encore
from encore.record import result, seal

plain = {write}

def killed(*args):
    if not os.environ["AFTER"]:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(*args)
    os.kill(os.getpid(), signal.SIGKILL)

{write} = killed
encore.run({settings!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", ["", "1"], ids=["before", "after"])
def test_sigkill_around_the_seal_leaves_an_unfinished_run(tmp_path, after):
    settings = {**SETTINGS, "runs_dir": str(tmp_path / "runs")}
    program = KILLED.format(write="seal.write", settings=settings)
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "AFTER": after}, check=False)
    assert done.returncode == -signal.SIGKILL
    (folder,) = {file.parent for file in tmp_path.rglob("result.json")}
    assert (folder / seal.FILE).is_file() == bool(after)
    assert json.loads((folder / "result.json").read_text())["status"] == "running"
    result = encore.run(settings)
    assert (result.status, result.folder) == ("finished", folder)
    seal.check_all(folder)


def test_a_killed_run_edited_to_finished_is_not_returned(runs, folder):
    finished = json.loads((folder / "result.json").read_text())
    before_the_seal(folder)
    (folder / "result.json").write_text(json.dumps(finished))
    with pytest.raises(InputError, match=r"record.sha256 is missing"):
        by_again(folder)
    in_json("manifest.json", "seal", value=REMOVED)(folder)  # as if it were of an earlier version
    with pytest.raises(InputError, match=r"says that it is finished, and has no record.sha256"):
        by_again(folder)
    assert encore.run({**SETTINGS, "runs_dir": runs_dir(folder), "fresh": True}).folder.name == f"{folder.name}-2"


def test_a_run_that_diverged_is_sealed_and_checked(tmp_path):
    from encore.config.compose import config_from
    from encore.runner.execute import result_of

    cfg = config_from({**SETTINGS, "runs_dir": str(tmp_path), "optim": "sgd", "optim.lr": 1e30})
    result = result_of(cfg)
    assert result.status == "diverged"
    seal.check_all(result.folder)
    in_json("result.json", "error", value="none")(result.folder)
    with pytest.raises(InputError, match=r"result.json was changed"):
        result_of(cfg)


def test_a_longer_run_does_not_go_on_from_an_altered_one(runs, folder, caplog):
    bytes_of("metrics.csv", longer)(folder)
    result = encore.run({**SETTINGS, "runs_dir": runs_dir(folder), "trainer.max_epochs": 3})
    assert "where a shorter run ended" not in (result.folder / "train.log").read_text()
    assert (
        f"a shorter run is not continued, since {folder}: metrics.csv was changed"
        in (result.folder / "train.log").read_text()
    )


def test_what_was_recorded_before_there_were_seals_is_said_to_be_unsealed(tmp_path, monkeypatch, capsys):
    from encore.commands import runs as listing

    shutil.copytree(Path(__file__).with_name("former") / "run", tmp_path / "one" / "seed0-36e311a43e")
    assert altered(tmp_path / "one" / "seed0-36e311a43e") is None
    monkeypatch.setattr(sys, "argv", ["runs", str(tmp_path)])
    listing.main()
    said = capsys.readouterr()
    assert "0.3167" in said.out
    assert said.err.startswith("unsealed: ")
    assert len(said.err.splitlines()) == 1


def test_of_many_runs_every_good_one_is_shown_and_every_bad_one_named(runs, tmp_path):
    for number in range(40):
        shutil.copytree(runs[number % 2], tmp_path / f"run{number}")
    bad = [tmp_path / f"run{number}" for number in range(0, 40, 5)]
    edits = [edit for edit, _, readers in EDITS.values() if "runs" in readers]
    OTHER[:] = [runs[1]]
    for folder, edit in zip(bad, edits[:: len(edits) // len(bad)], strict=False):
        edit(folder)
    found, left_out = results(tmp_path)
    assert {result.folder for result in found} == {tmp_path / f"run{number}" for number in range(40)} - set(bad)
    assert all(any(str(folder) in problem for problem in left_out) for folder in bad)
    assert len(left_out) == len(bad)
