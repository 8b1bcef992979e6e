"""A cross-validation as a whole: the chosen combination and its test metrics (Stone 1974)."""

from collections.abc import Sequence

from encore.analysis.cross_validation.figure import against
from encore.analysis.cross_validation.plan import Plan
from encore.analysis.cross_validation.scores import Score, best_of, in_order, last_run, score_all
from encore.analysis.results.findings import Findings
from encore.analysis.results.statistics import compare
from encore.analysis.results.table_formats import Rows, number
from encore.config.facts import without_test
from encore.record.reading import read_manifest
from encore.record.result import Result


def cross_validate(plan: Plan) -> Findings:
    """Run all folds, choose, retrain on all non-test data, and read the test set once.

    Raises:
        Diverged: every combination did, or the last run.
        EncoreError: a run was stopped.
    """
    scores = score_all(plan)
    best = best_of(scores, plan.mode)
    ranked = in_order(scores, plan.mode)
    last = last_run(best)
    print()
    return Findings(
        name="cross_validation",
        title=f"{plan.folds}-fold cross-validation of {', '.join(plan.settings)} by {plan.metric}",
        rows=rows(plan, scores, best),
        values=values(plan, scores, best),
        notes=[
            of_choice(ranked),
            "Values are those after the last epoch: the best epoch of a fold would be chosen on that fold, and "
            "the last run has none to choose by. Folds share their training examples: the intervals are too narrow.",
            of_last(last),
        ],
        figures={"cross_validation": against(scores, ranked, plan.metric)},
        arrays={},
        runs=[*(run.folder for score in scores for run in score.runs if run.status == "finished"), last.folder],
        left_out=[f"{each.candidate.label}: {each.lost}" for each in scores if each.lost is not None],
    )


def rows(plan: Plan, scores: Sequence[Score], best: Score) -> Rows:
    """The table: one row per combination."""
    table = [[*plan.settings, "mean", "std", "95 % interval", *(f"fold {fold}" for fold in range(plan.folds)), ""]]
    for score in scores:
        found = [number(value) for value in score.values] + ["–"] * (plan.folds - len(score.values))
        spread = ["–", "–", "–"]
        if score.lost is None:
            over = score.summary
            spread = [number(over.mean), number(over.std), f"{number(over.low)} to {number(over.high)}"]
        said = "chosen" if score is best else f"out: {score.lost.partition(':')[0]}" if score.lost else ""
        table.append([*score.candidate.values.values(), *spread, *found, said])
    return table


def values(plan: Plan, scores: Sequence[Score], best: Score) -> list[list[str | float | None]]:
    folds = range(plan.folds)
    table: list[list[str | float | None]] = [
        [*plan.settings, "metric", "mean", "std", "low", "high", *(f"fold_{fold}" for fold in folds), "chosen"]
    ]
    for score in scores:
        spread: list[float | None] = [None] * 4
        if score.lost is None:
            spread = [getattr(score.summary, name) for name in ("mean", "std", "low", "high")]
        found = [score.values[fold] if fold < len(score.values) else None for fold in folds]
        chosen = "yes" if score is best else "no"
        table.append([*score.candidate.values.values(), plan.metric, *spread, *found, chosen])
    return table


def of_choice(ranked: Sequence[Score]) -> str:
    """Which combination is chosen, and how certain the choice is."""
    best, rest = ranked[0], ranked[1:]
    if not rest:
        return f"Chosen: {best.candidate.label}, as all others are out."
    said = f"Chosen: {best.candidate.label}. Its mean is the best of {len(ranked)}, which flatters it."
    first, second = (dict(enumerate(score.values)) for score in (best, rest[0]))
    found = compare(first, second, over="folds")
    assert found is not None  # both have a value of each fold
    return (
        f"{said} Next comes {rest[0].candidate.label}, fold by fold {found.difference:+.4g} on average, "
        f"95 % interval {found.low:.4g} to {found.high:.4g}."
    )


def of_last(last: Result) -> str:
    """The result of the run on all examples."""
    held = read_manifest(last.folder)
    sizes = held["data"]["sizes"]
    trained = f"Trained with it on all {sizes['train']:,} examples, {last.epochs} epochs: {last.folder}."
    tested = {name.partition("/")[2]: value for name, value in last.metrics.items() if name.startswith("test/")}
    if not tested:
        return f"{trained} It {without_test(held['config'])}."
    shown = ", ".join(f"{name} {value:.4f}" for name, value in tested.items())
    return f"{trained} The test set's {sizes['test']:,} examples, read once: {shown}."
