"""Reports over runs: what they say, and what they refuse."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from encore.analysis.results.axes import plain
from encore.analysis.results.groups import LONGEST, groups, pairs, short_of
from encore.analysis.results.metrics import curve
from encore.analysis.results.report import differences
from encore.analysis.results.report_figures import courses
from encore.analysis.results.run_table import beside, differing, mixture, of_seeds, read
from encore.analysis.results.study import report_on
from encore.config.directions import lower_is_better
from encore.errors import ConfigError, InputError
from encore.record.logged_values import parsed

CONFIG = {
    "seed": 0, "runs_dir": "runs", "trainer": {"max_epochs": 2}, "model": {"name": "mlp", "widths": [8]},
    "optim": {"name": "adam", "_target_": "torch.optim.Adam", "lr": 0.001}, "callbacks": {"progress": None},
}  # fmt: skip
SGD = {"name": "sgd", "_target_": "torch.optim.SGD", "lr": 0.1}


def make(folder, seed=0, value=0.9, status="finished", error=None, code="c0", data="d0", **changes):
    """A run's folder as training leaves it, as far as reports look at it."""
    folder.mkdir(parents=True)
    metrics = {} if value is None else {"test/accuracy": value, "train/loss": 0.1}
    result = {
        "status": status, "fingerprint": folder.name, "seed": seed, "name": "mlp", "started": "2026",
        "metrics": metrics, "error": error,
    }  # fmt: skip
    manifest = {
        "config": {**CONFIG, "seed": seed, **changes},
        "code": {"digests": {"training.py": code}},
        "data": {"files": {"x.gz": {"bytes": 1, "sha256": data}}, "examples_sha256": "e"},
    }
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    lines = [f"{epoch},{epoch * 5},{0.5 + epoch / 10},{0.4 + epoch / 10}" for epoch in range(2)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,step,val/accuracy,train/accuracy", *lines]) + "\n")
    return folder


@pytest.fixture
def sweep(tmp_path):
    """Adam and SGD over three seeds each, one of them diverged, on a fourth."""
    runs = tmp_path / "runs"
    for seed, (adam, sgd) in enumerate([(0.90, 0.92), (0.91, 0.94), (0.92, 0.96)]):
        make(runs / f"adam{seed}", seed, adam)
        make(runs / f"sgd{seed}", seed, sgd, optim=SGD)
    make(runs / "sgd3", 3, None, "diverged", "the loss is nan at step 7\nadvice", optim=SGD)
    return runs


def read_all(folder):
    return read(sorted(path.parent for path in folder.rglob("result.json")))


def test_groups_are_found_by_the_fewest_settings_that_differ(sweep):
    table, left_out = read_all(sweep)
    assert left_out == []
    assert differing(table) == ["optim.name"]
    make(sweep / "other rate", 0, optim={**SGD, "lr": 0.2})
    table, _ = read_all(sweep)
    assert differing(table) == ["optim.name", "optim.lr"]


def test_a_group_has_its_values_and_says_what_it_lost(sweep):
    table, _ = read_all(sweep)
    adam, sgd = groups(table, ["optim.name"], "test/accuracy")
    assert (adam.label, adam.by_repetition, adam.lost) == ("adam", {(0,): 0.90, (1,): 0.91, (2,): 0.92}, [])
    assert sgd.summary.n == 3
    assert sgd.summary.mean == pytest.approx(0.94)
    assert sgd.summary.std == pytest.approx(0.02)
    assert sgd.lost == ["sgd, seed 3: diverged: the loss is nan at step 7"]


def test_groups_are_compared_seed_by_seed(sweep):
    (pair,) = pairs(groups(read_all(sweep)[0], ["optim.name"], "test/accuracy"), lower=False)
    assert pair.comparison.paired
    assert pair.comparison.difference == pytest.approx(0.03)
    assert pair.comparison.p == pair.comparison.smallest_p == pair.adjusted == 0.25


def test_runs_of_one_seed_in_a_group_are_no_more_than_that_seed(sweep):
    make(sweep / "wide", 0, 1.00, model={"name": "mlp", "widths": [64]})
    table, _ = read_all(sweep)
    found = groups(table, ["optim.name"], "test/accuracy")
    assert found[0].summary.values == pytest.approx((0.95, 0.91, 0.92))
    (pair,) = pairs(found, lower=False)
    assert pair.comparison.method == "paired sign-flip, 3 seeds"
    assert beside(table, ["optim.name"]) == ([], ["model.widths"])


def test_what_differs_beside_the_groups_is_known(sweep):
    for seed in range(3):
        make(sweep / f"cnn{seed}", seed, optim={**SGD, "lr": 3}, model={"name": "cnn"}, trainer={"max_epochs": 9})
    table, _ = read_all(sweep)
    between, within = beside(table, ["model.name"])
    assert between == ["trainer.max_epochs"]
    assert within == ["optim.name", "optim._target_", "optim.lr"]


def test_callbacks_are_settings(sweep):
    make(sweep / "early", 0, callbacks={"progress": None, "early_stopping": {"patience": 3}})
    assert "callbacks.early_stopping.patience" in differing(read_all(sweep)[0])


def test_a_run_counts_once(sweep, tmp_path):
    shutil.copytree(sweep / "adam0", tmp_path / "backup" / "adam0")
    table, left_out = read_all(tmp_path)
    assert len(table.runs) == 7
    assert ["is the same run as" in each for each in left_out] == [True]


@pytest.mark.parametrize(("metric", "best"), [("test/accuracy", "7"), ("test/loss", "0")])
def test_many_groups_are_compared_with_the_best(tmp_path, metric, best):
    for width in range(8):
        for seed in range(2):
            folder = make(tmp_path / f"{width}-{seed}", seed, None, model={"name": "mlp", "depth": width})
            result = json.loads((folder / "result.json").read_text())
            (folder / "result.json").write_text(json.dumps({**result, "metrics": {metric: width + seed / 10}}))
    compared = pairs(groups(read_all(tmp_path)[0], ["model.depth"], metric), lower_is_better(metric))
    assert {pair.a.label for pair in compared} == {best}
    assert len(compared) == 7


def test_runs_of_other_code_or_data_are_told(sweep):
    assert mixture(read_all(sweep)[0]) == []
    make(sweep / "changed", 5, code="c1", data="d1")
    assert mixture(read_all(sweep)[0]) == ["code training.py", "data x.gz"]


def test_folders_that_are_truncated_or_no_runs_are_named_and_left_out(sweep):
    (sweep / "adam0" / "manifest.json").write_text('{"config": {')
    (sweep / "adam1" / "result.json").write_text("[]")
    (sweep / "adam2" / "manifest.json").write_text("[1]")
    (sweep / "sgd0" / "manifest.json").unlink()
    table, left_out = read_all(sweep)
    assert len(table.runs) == 3
    assert [re.search(r"adam\d|sgd\d", each)[0] for each in left_out] == ["adam0", "adam1", "adam2", "sgd0"]


def test_a_setting_or_metric_that_is_not_there_is_said_so(sweep):
    table, _ = read_all(sweep)
    with pytest.raises(ConfigError, match=r"--by optim\.nam is not a setting.*did you mean optim\.name"):
        groups(table, ["optim.nam"], "test/accuracy")
    with pytest.raises(InputError, match=r"none of these runs.*test/acuracy.*did you mean test/accuracy"):
        groups(table, ["optim.name"], "test/acuracy")


def test_the_command_writes_a_report_in_every_form(sweep, tmp_path, command):
    out = tmp_path / "out"
    done = command("scripts/report.py", str(sweep), "--out", str(out), fresh=True)
    assert done.returncode == 0, done.stderr
    assert "sgd − adam" in done.stdout
    assert "sgd, seed 3: diverged" in done.stdout
    assert done.stdout.splitlines()[-1] == str(out / "report.html")
    with (out / "report.csv").open() as stream:
        adam, sgd = csv.DictReader(stream)
    assert (adam["optim.name"], adam["n"], adam["lost"]) == ("adam", "3", "0")
    assert float(sgd["mean"]) == pytest.approx(0.94)
    assert float(sgd["low"]) == pytest.approx(0.94 - 4.302652729911275 * 0.02 / 3**0.5)
    tex = (out / "report.tex").read_text()
    assert tex.count(r"\\") == 3
    assert all(len(re.findall(r"(?<!\\)&", line)) == 4 for line in tex.splitlines() if line.endswith(r"\\"))
    page = (out / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert f"encore reproduce {sweep / 'sgd0'}" in page
    assert "## Comparisons" in (out / "report.md").read_text()
    names = {"report.md", "report.csv", "report.tex", "report.html"}
    assert names | {f"{name}.{kind}" for name in ("curves", "intervals") for kind in ("png", "svg")} == {
        path.name for path in out.iterdir()
    }


def test_the_same_runs_give_the_same_files(sweep, tmp_path, command):
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        command("scripts/report.py", str(sweep), "--out", str(out))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_the_command_refuses_a_mixture_unless_told(sweep, tmp_path, command):
    make(sweep / "changed", 5, code="c1")
    words = ("scripts/report.py", str(sweep), "--out", str(tmp_path / "out"))
    refused = command(*words)
    assert refused.returncode == 3
    assert "code training.py" in refused.stderr
    assert not (tmp_path / "out").exists()
    assert command(*words, "--mixed").returncode == 0


def test_the_command_with_nothing_left_ends_with_3(tmp_path, command):
    alien = tmp_path / "alien"
    alien.mkdir()
    (alien / "result.json").write_text("{}")
    done = command("scripts/report.py", str(tmp_path), str(tmp_path / "nowhere"))
    assert done.returncode == 3
    assert "alien" in done.stderr
    assert "nowhere" in done.stderr


def test_curves_are_averaged_where_all_runs_have_an_epoch(sweep):
    adam, _ = groups(read_all(sweep)[0], ["optim.name"], "test/accuracy")
    rows = [f"{epoch},{epoch},{epoch / 10}" for epoch in (1, 3)]
    (sweep / "adam0" / "metrics.csv").write_text("\n".join(["epoch,step,val/accuracy", *rows]) + "\n")
    found = courses(adam, ["val/accuracy", "val/other"])
    assert list(found) == ["val/accuracy"]
    epochs, values = found["val/accuracy"]
    assert epochs == [2]
    assert values.flatten().tolist() == [0.1, 0.6, 0.6]


def test_each_run_s_log_is_read_once(sweep):
    parsed.cache_clear()
    report_on([sweep], "epochs to train/accuracy 0.45")
    assert parsed.cache_info().misses == 7
    report_on([sweep], "test/accuracy")
    assert parsed.cache_info().misses == 7


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "its columns do not begin with epoch and step"),
        ("step,epoch,loss\n0,0,1\n", "its columns do not begin with epoch and step"),
        ("epoch,step,loss\n0,0,1,2\n", "row 1 has more cells than there are columns"),
        ("epoch,step,loss\n0,x,1\n", "invalid literal"),
        ("epoch,step,loss\n-1,0,1\n", "counts no epochs or steps"),
        ("epoch,step,loss\n0,0,one\n", "could not convert"),
        ("epoch,step,val/loss\n0,0,1\n", "has no loss; it has val/loss"),
        (None, "trained without logger=csv"),
    ],
)
def test_what_is_no_log_is_said(tmp_path, content, said):
    if content is not None:
        (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        curve(tmp_path, "loss")


def test_a_log_s_last_row_may_be_short(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,loss,val/loss\n0,0,0.5,0.75\n1,9,0.25\n2\n")
    assert curve(tmp_path, "loss") == ([1, 2], [0.5, 0.25])
    assert curve(tmp_path, "val/loss") == ([1], [0.75])


def test_seven_groups_are_all_seen(tmp_path):
    for number in range(7):
        folder = make(tmp_path / str(number), model={"name": f"net{number}"})
        lines = [f"{epoch},{epoch},{0.01 + 0.3 * epoch},{10.0**-epoch}" for epoch in range(4)]
        (folder / "metrics.csv").write_text("\n".join(["epoch,step,val/accuracy,train/loss", *lines]) + "\n")
    drawn = report_on([tmp_path], "test/accuracy").figures["curves"]
    assert [entry.get_text() for entry in drawn.legends[0].get_texts()] == [f"net{number}" for number in range(7)]
    panels = {panel.get_ylabel(): panel for panel in drawn.axes if panel.lines}
    assert list(panels) == ["validation accuracy", "training loss"]
    assert [len({line.get_color() for line in panel.lines}) for panel in panels.values()] == [7, 7]
    # accuracies lie far apart here, too, but what is of interest of them is near 1
    assert [panel.get_yscale() for panel in panels.values()] == ["linear", "log"]


def test_few_groups_have_training_beside_validation(sweep):
    drawn = report_on([sweep], "test/accuracy").figures["curves"]
    (panel,) = drawn.axes
    assert [line.get_linestyle() for line in panel.lines] == ["-", "-", "--", "--"]
    assert [entry.get_text() for entry in drawn.legends[0].get_texts()] == ["adam", "sgd", "validation", "training"]


def test_names_are_shown_as_they_are(tmp_path, command):
    for number, name in enumerate(["[64, 64]", "a|b_c", "$\\foo$", "_x ^ <y>\nz"]):
        make(tmp_path / "runs" / str(number), model={"name": name})
    done = command("scripts/report.py", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    tex = (tmp_path / "out" / "report.tex").read_text()
    assert len(tex.splitlines()) == 10
    assert "\n{[}64, 64]" in tex
    assert r"\_x \textasciicircum{} \textless{}y\textgreater{} z" in tex
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert r"| a\|b\_c |" in markdown
    assert r"| \_x ^ \<y\> z |" in markdown


def test_a_folder_without_runs_is_told(sweep, tmp_path, command):
    (tmp_path / "empty").mkdir()
    done = command("scripts/report.py", str(sweep), str(tmp_path / "empty"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0
    assert f"left out: there are no runs below {tmp_path / 'empty'}" in done.stderr


def test_a_report_of_one_run_has_no_interval(tmp_path, command):
    make(tmp_path / "runs" / "one")
    done = command("scripts/report.py", str(tmp_path / "runs"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    with Path(tmp_path / "out" / "report.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["n"], row["std"], row["low"], row["high"]) == ("1", "", "", "")


def test_a_label_is_drawn_whatever_it_begins_with():
    assert plain(r"_x $\foo$") == r" _x \$\foo\$"


def sources(folder, places, seeds=range(3)):
    """Runs that begin from the weights of other runs, each from one of its own seed."""
    for number, place in enumerate(places):
        for seed in seeds:
            named = f"{place}/seed{seed}-{number:05}{seed:05}/checkpoints/best.ckpt"
            make(folder / f"{number}-{seed}", seed, 0.9 + seed / 100 + number / 10, init_from=named)
    return folder


def test_a_setting_that_follows_from_the_seed_makes_no_group(tmp_path):
    report = report_on([sources(tmp_path / "one", ["runs/digits"])], "test/accuracy")
    assert (report.by, [len(group.found) for group in report.groups]) == ([], [3])
    report = report_on([sources(tmp_path / "two", ["runs/digits", "runs/mnist"])], "test/accuracy")
    assert report.by == ["init_from"]
    assert [(group.settings["init_from"], len(group.found)) for group in report.groups] == [
        ("runs/digits/seed${seed}/checkpoints/best.ckpt", 3), ("runs/mnist/seed${seed}/checkpoints/best.ckpt", 3),
    ]  # fmt: skip
    make(tmp_path / "two" / "from none", 1, init_from=None)
    assert [len(group.found) for group in report_on([tmp_path / "two"], "test/accuracy").groups] == [3, 3, 1]


@pytest.mark.parametrize(
    ("values", "seeds", "shown"),
    [
        (["part0.npz", "part1.npz"], "01", ["part${seed}.npz"] * 2),
        (["0", "1", "2"], "012", ["${seed}"] * 3),
        (["a/seed1-0123456789/x", "a/seed1-0123456789/x"], "12", None),  # of another seed
        (["a/seed1-0123456789", "a/seed1-abcdef0123", "a/seed2-0123456789"], "112", None),  # two of one seed
        (["1", "1", "2", "2"], "1212", None),  # both values with both seeds
        (["0.1", "0.01"], "01", None),
        (["10", "11"], "01", None),
        (["x-1/seed1-0123456789", "x-2/seed2-0123456789"], "12", None),  # of two folders that are numbered
        (["a", "b"], "01", None),
    ],
)
def test_what_follows_from_the_seed(values, seeds, shown):
    assert of_seeds(values, list(seeds)) == (shown or values)


def test_long_values_have_short_names_that_are_not_alike():
    places = [f"/a/quite/long/folder/of/runs/{name}/seed${{seed}}/checkpoints/best.ckpt" for name in ("x", "y")]
    assert list(short_of([*places, "none"]).items()) == [(places[0], "…/x/…"), (places[1], "…/y/…")]
    (alone,) = short_of([places[0]]).values()
    assert (len(alone), alone[:3], alone[-4:]) == (LONGEST, "/a/", "ckpt")
    numbered = [f"{'many-words-' * 5}{number}/of/runs" for number in (8, 10)]
    assert list(short_of(numbered).values()) == ["…-8/…", "…-10/…"]
    lists = [f"x{'1, ' * 40}y{number}, {'2, ' * 40}z" for number in (1, 2)]
    assert list(short_of([*lists, "short"]).values()) == ["… y1,…", "… y2,…"]
    one, other = (f"{end}{'a' * 40}{end}" for end in "xy")
    middle = [f"{'x' * 20}{letter}{'x' * 20}" for letter in "ab"]
    assert len(set(short_of([one, other]).values())) == 2
    assert list(short_of(middle).values()) == [f"{'x' * 15}…{'x' * 16} ({n})" for n in (1, 2)]


@pytest.mark.parametrize("count", [2, 12])
@pytest.mark.parametrize("apart", [False, True], ids=["much alike", "nothing alike"])
def test_long_values_leave_room_for_the_axes(tmp_path, apart, count):
    names = [chr(ord("a") + place) * 50 if apart else f"{'many-words-' * 9}{place}" for place in range(count)]
    report = report_on([sources(tmp_path / "runs", [f"{name}/{name}" for name in names], range(2))], "test/accuracy")
    assert report.pictures  # matplotlib's warning would be an error
    for name, figure in report.figures.items():
        for axes in figure.axes:
            box = axes.get_window_extent()
            assert min(box.width, box.height) > 100 or not axes.axison, name


def search(folder, trials=12):
    """What a search leaves: runs of one seed that differ in several settings, with the best of what was monitored."""
    for number in range(trials):
        optim = {**SGD, "lr": 10.0 ** -(number % 5) * 1.23456789123}
        run = make(folder / str(number), value=None, optim=optim, model={"name": "mlp", "widths": [2**number]})
        result = json.loads((run / "result.json").read_text())
        result |= {"monitored": 1 + abs(number - 7) / 10, "best": {"monitor": "val/loss"}, "metrics": {"val/loss": 9.0}}
        (run / "result.json").write_text(json.dumps(result))
    return folder


def test_a_search_is_reported_best_first_setting_by_setting(tmp_path):
    report = report_on([search(tmp_path / "runs")], "best val/loss")
    heading, first, *rest = report.means()
    assert heading == ["model.widths", "best val/loss"]  # the fewest settings; a single value has no mean
    assert first == ["[128]", "1"]
    assert [row[-1] for row in rest] == sorted(row[-1] for row in rest)
    both = report_on([tmp_path / "runs"], "best val/loss", by=["optim.lr", "model.widths"])
    assert both.means()[1][0] == "0.01235"  # long numbers are shortened to look at, and whole in report.csv
    assert "0.0123456789123" in both.csv()
    assert "intervals" not in both.figures
    left, right = both.figures["slices"].axes
    assert (left.get_xlabel(), left.get_xscale(), right.get_xlabel()) == ("optim.lr", "log", "model.widths")
    names = [tick.get_text() for tick in right.get_xticklabels()]
    assert names == [f"[{2**number}]" for number in range(12)]
    assert "slices" not in report_on([search(tmp_path / "few", 4)], "best val/loss").figures


def test_a_terminal_is_shown_the_best_of_many(tmp_path):
    report = report_on([search(tmp_path / "runs", 30)], "best val/loss")
    assert "… 10 more" in report.text()
    assert len(report.means()) == 31
    assert len(report.markdown().splitlines()) > 31


def test_a_figure_of_an_earlier_report_does_not_stay(tmp_path):
    out = tmp_path / "out"
    report_on([search(tmp_path / "many")], "best val/loss").write(out)
    assert (out / "slices.png").exists()
    report_on([search(tmp_path / "few", 3)], "best val/loss").write(out)
    assert not (out / "slices.png").exists()
    assert (out / "intervals.svg").exists()


def test_mistakes_on_the_command_line_end_with_1_and_any_terminal_will_do(tmp_path, command):
    assert command("scripts/report.py").returncode == 1
    assert command("scripts/report.py", "--foo").returncode == 1
    make(tmp_path / "runs" / "one", model={"name": "ῥ"})
    done = command("scripts/report.py", "runs", "--by", "model.name", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (done.returncode, done.stderr.splitlines()[1:]) == (0, [])  # one line: it is unsealed


def test_resamples_and_folds_are_repetitions_like_seeds(tmp_path):
    def runs(name, **data):
        for number in range(4):
            for rate in (0.1, 0.2):
                value = rate + number / 10
                folder = make(tmp_path / name / f"{name}-{rate}-{number}", value=value, optim={**SGD, "lr": rate})
                manifest = json.loads((folder / "manifest.json").read_text())
                manifest["config"]["data"] = {key: number if held is ... else held for key, held in data.items()}
                (folder / "manifest.json").write_text(json.dumps(manifest))
        return tmp_path / name

    for name, data, over in (
        ("bagging", {"bootstrap": ..., "folds": None, "fold": 0}, "resamples"),
        ("folds", {"bootstrap": None, "folds": 4, "fold": ...}, "folds"),
    ):
        report = report_on([runs(name, **data)], "test/accuracy")
        assert report.by == ["optim.lr"]
        assert report.title == f"test/accuracy over {over}"
        assert [row[1] for row in report.means()[1:]] == ["4", "4"]
        assert differences(report.pairs)[1][-1] == f"paired sign-flip, 4 {over}"
    one = report_on([tmp_path / "folds" / f"folds-0.1-{number}" for number in range(4)], "test/accuracy")
    assert one.means()[1][:2] == ["all runs", "4"]
    # some with and some without a bootstrap are no repetitions of each other
    mixed = report_on([tmp_path / "bagging" / "bagging-0.1-0", tmp_path / "folds" / "folds-0.1-0"], "test/accuracy")
    assert mixed.by == ["data.bootstrap"]
    assert any("share their training examples" in note for note in report.notes)
