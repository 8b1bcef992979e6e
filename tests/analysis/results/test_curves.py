"""Learning curves: what they say of the runs, and where their values stand."""

import json

import pytest

from encore.analysis.results.curves import Look, figure, named, palette
from encore.analysis.results.run_table import ordered, read
from encore.errors import ConfigError, InputError

STEPS = 4  # in an epoch


def make(folder, lr=0.1, seed=0, interval="epoch", status="finished", splits=("val", "train"), losses=(4.0, 2.0, 1.0)):
    """A run's folder as training leaves it, as far as curves look at it; its learning rate halves every epoch."""
    folder.mkdir(parents=True)
    result = {
        "status": status, "fingerprint": folder.name, "seed": seed, "name": "digits-mlp-sgd", "started": "2026",
        "epochs": len(losses),
    }  # fmt: skip
    config = {
        "seed": seed, "optim": {"name": "sgd", "lr": lr}, "scheduler": {"name": "halves", "interval": interval}
    }  # fmt: skip
    held = {"config": config, "code": {"digests": {}}, "data": {"files": {}, "examples_sha256": "e"}}
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "manifest.json").write_text(json.dumps(held))
    names = [f"{split}/loss" for split in splits]
    rows = [["epoch", "step", "optim/lr", *names]]
    for epoch, loss in enumerate(losses):
        rows.append([epoch, STEPS * epoch, lr / 2**epoch, *[""] * len(names)])
        rows.append([epoch, STEPS * epoch + STEPS - 1, "", *[loss] * len(names)])
    (folder / "metrics.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return folder


def table_of(folder):
    return read(sorted(folder.iterdir()))[0]


def points(line):
    return list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()), strict=True))


def test_labels_say_what_differs(tmp_path):
    make(tmp_path / "one", lr=0.1)
    assert named(table_of(tmp_path)) == ("", ["digits-mlp-sgd"])
    make(tmp_path / "two", lr=1e5)
    assert named(table_of(tmp_path)) == ("optim.lr", ["0.1", "100000"])
    make(tmp_path / "xthree", lr=1e5, seed=1)
    assert named(table_of(tmp_path)) == ("optim.lr · seed", ["0.1 · 0", "100000 · 0", "100000 · 1"])
    make(tmp_path / "xtwo of other code", lr=1e5, seed=1)
    _, labels = named(table_of(tmp_path))
    assert labels[2:] == ["100000 · 1 · xthree", "100000 · 1 · xtwo of other code"]
    assert named(table_of(tmp_path), by=["seed"]) == ("seed", ["0", "0", "1", "1"])
    with pytest.raises(ConfigError, match=r"--by optim\.l is not a setting.*did you mean optim\.lr"):
        named(table_of(tmp_path), by=["optim.l"])


def test_of_many_runs_those_that_differ_in_their_seeds_share_a_colour(tmp_path):
    for number in range(12):
        make(tmp_path / f"{number:02}", lr=[1e-10, 0.1, 20][number % 3], seed=number // 3)
    table = table_of(tmp_path)
    title, labels = named(table)
    assert (title, labels[:4]) == ("optim.lr, all seeds", ["1e-10", "0.1", "20", "1e-10"])
    assert list(palette(labels)) == ["1e-10", "0.1", "20"]  # by size
    drawn = figure(table, ["val/loss"])
    assert len({line.get_color() for line in drawn.axes[0].lines}) == 3
    assert [entry.get_text() for entry in drawn.legends[0].get_texts()] == ["1e-10", "0.1", "20"]


def test_every_one_of_many_settings_has_a_colour(tmp_path):
    for number in range(25):
        make(tmp_path / f"{number:02}", lr=number + 1)
    colors = palette(named(table_of(tmp_path))[1])
    assert list(colors) == [str(number + 1) for number in range(25)]
    assert len(set(colors.values())) == 25


def test_values_stand_where_they_were_measured(tmp_path):
    make(tmp_path / "run", lr=0.8)
    (tmp_path / "run" / "metrics.csv").write_text(
        "epoch,step,optim/lr,train/batch_loss,train/loss\n"
        "0,0,0.8,9,\n0,2,,7,\n0,3,,,5\n1,4,0.4,4,\n1,7,,,2\n2,8,0.2,1,\n2,11,,,0.5\n3,12,,,\n"
    )
    drawn = figure(table_of(tmp_path), ["optim/lr", "train/batch_loss", "loss"])
    rates, batches, losses = (panel.lines[0] for panel in drawn.axes)
    # a rate that is set once an epoch holds until the next, and the last one to the end
    assert points(rates) == [(0, 0.8), (1, 0.8), (1, 0.4), (2, 0.4), (2, 0.2), (3, 0.2)]
    assert points(batches) == [(0, 9), (0.5, 7), (1, 4), (2, 1)]  # before the step
    assert points(losses) == [(1, 5), (2, 2), (3, 0.5)]  # over the epoch


def test_a_rate_that_changes_with_every_step_is_no_stairs(tmp_path):
    make(tmp_path / "run", lr=0.8, interval="step")
    (panel,) = figure(table_of(tmp_path), ["optim/lr"]).axes
    assert points(panel.lines[0]) == [(0, 0.8), (1, 0.4), (2, 0.2)]


def test_training_is_dashed_beside_validation_and_says_so_where_it_is_alone(tmp_path):
    make(tmp_path / "both" / "run")
    make(tmp_path / "alone" / "run", splits=["train"])
    both, alone = (figure(table_of(tmp_path / name), ["loss"]) for name in ("both", "alone"))
    assert sorted(line.get_linestyle() for line in both.axes[0].lines) == ["-", "--"]
    assert [entry.get_text() for entry in both.legends[0].get_texts()][1:] == ["validation", "training"]
    assert [line.get_linestyle() for line in alone.axes[0].lines] == ["-"]
    assert alone.axes[0].get_ylabel() == "training loss"
    assert len(alone.legends[0].get_texts()) == 1


def test_logarithmic_axes(tmp_path):
    make(tmp_path / "run", lr=0.0)
    table = table_of(tmp_path)
    assert figure(table, ["loss"]).axes[0].get_yscale() == "linear"
    assert figure(table, ["loss"], look=Look(log=True)).axes[0].get_yscale() == "log"
    with pytest.raises(InputError, match="--log: optim/lr is nowhere above 0"):
        figure(table, ["loss", "optim/lr"], look=Look(log=True))


def test_the_command_draws_what_has_ended_and_says_what_it_leaves_out(tmp_path, command):
    runs = tmp_path / "runs"
    make(runs / "a", lr=0.1)
    make(runs / "b", lr=1e5, status="diverged", losses=(4.0, 1e30))
    make(runs / "c", lr=1e6, status="preempted")
    done = command("scripts/curves.py", "runs", "nowhere", "--metrics", "loss", "optim/lr", "--log", "--out", "x/c.svg")
    assert done.returncode == 0, done.stderr
    assert [line.split()[2] for line in done.stderr.splitlines() if "unsealed" not in line] == ["runs/c", "there"]
    picture = (tmp_path / "x" / "c.svg").read_text()
    assert "<!-- 100000 -->" in picture
    assert "<!-- 1000000 -->" not in picture


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["failed"], 3, "none of these runs has ended"),
        (["run", "--out", "curves.xyz"], 1, "a picture must end in .png, .svg or .pdf"),
        (["run", "--metrics", "val/los"], 3, "has no val/los; it has optim/lr, val/loss, train/loss"),
        (["run", "--metrics", "loss", "--by", "optim.rate"], 1, "--by optim.rate is not a setting of these runs"),
        (["run", "--foo"], 1, "unrecognized arguments: --foo"),
    ],
)
def test_mistakes_say_what_there_is(tmp_path, command, words, code, message):
    make(tmp_path / "failed", status="failed")
    make(tmp_path / "run")
    done = command("scripts/curves.py", *words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_means_are_over_the_runs_of_a_label_and_as_long_as_all_of_them(tmp_path):
    make(tmp_path / "one", seed=0, losses=(4.0, 2.0, 1.0))
    make(tmp_path / "two", seed=1, losses=(2.0, 0.0))
    drawn = figure(table_of(tmp_path), ["val/loss"], look=Look(mean=True, negate=True, label="likelihood"))
    (panel,) = drawn.axes
    (line,) = panel.lines
    assert points(line) == [(1.0, -3.0), (2.0, -1.0)]
    assert panel.get_ylabel() == "likelihood"
    assert [entry.get_text() for entry in drawn.legends[0].get_texts()] == ["digits-mlp-sgd"]
    assert drawn.legends[0].get_title().get_text() == "all seeds"


def test_runs_stand_in_the_order_of_settings_and_seeds_wherever_their_folders_are(tmp_path):
    for name, lr, seed in (("a", 10.0, 2), ("b", 2.0, 10), ("c", 10.0, 1), ("d", 2.0, 9)):
        make(tmp_path / name, lr=lr, seed=seed)
    assert [run.folder.name for run in ordered(table_of(tmp_path)).runs] == ["d", "b", "c", "a"]


@pytest.mark.parametrize(("most", "top"), [(3.0, 3.0), (9.0, None)])
def test_greater_values_than_asked_for_leave_the_picture(tmp_path, most, top):
    make(tmp_path / "one", losses=(1e6, 2.0, 1.0))
    make(tmp_path / "two", seed=1, losses=(2.0, 1.5, 1.0))
    if top is None:
        (panel,) = figure(table_of(tmp_path).only([1]), ["val/loss"], look=Look(most=most)).axes
        assert panel.get_ylim()[1] < most
    else:
        (panel,) = figure(table_of(tmp_path), ["val/loss"], look=Look(most=most)).axes
        assert panel.get_ylim() == pytest.approx((0.9, 3.0))


def test_metrics_share_a_scale_if_asked_to(tmp_path):
    make(tmp_path / "one", losses=(100.0, 2.0, 1.0))
    for look, same in ((Look(), False), (Look(one_scale=True), True)):
        one, other = figure(table_of(tmp_path), ["val/loss", "optim/lr"], look=look).axes
        assert (one.get_ylim() == other.get_ylim()) is same


def test_a_line_beneath_another_is_wider(tmp_path):
    for number, lr in enumerate((0.1, 0.2, 0.3)):
        make(tmp_path / str(number), lr=lr, losses=(3.0, 2.0, 1.0) if number < 2 else (9.0, 8.0, 7.0))
    (panel,) = figure(table_of(tmp_path), ["val/loss"], look=Look(mean=True)).axes
    one, two, three = (line.get_linewidth() for line in panel.lines)
    assert one > two == three
