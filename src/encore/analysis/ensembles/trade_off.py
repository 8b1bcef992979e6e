"""Bias, variance and expected error of resampled runs, against a setting such as a capacity."""

from pathlib import Path

from encore.analysis.ensembles.decomposition import Brier, ZeroOne, brier, zero_one
from encore.analysis.ensembles.ensemble_figures import against
from encore.analysis.ensembles.predictions import predict_all, same_examples
from encore.analysis.ensembles.together import stacked
from encore.analysis.results.findings import Findings
from encore.analysis.results.groups import Group, groups, number_of
from encore.analysis.results.run_table import REPEATED, Table, beside
from encore.analysis.results.table_formats import number
from encore.errors import ConfigError, InputError


def trade_off(table: Table, left_out: list[str], by: str, falling: bool = False) -> Findings:
    """Decompose the test error for each value of a setting.

    Args:
        table: runs on resamples, several for each value.
        left_out: runs that are not among them.
        by: the setting.
        falling: whether to order its values from largest to smallest.

    Raises:
        ConfigError: there is no such setting, or it is one that runs repeat.
        InputError: a value has only one run, or runs predict different examples. Only a setting of the data may change
            them from value to value, such as the share of labels that are wrong.
    """
    if by in REPEATED:
        raise ConfigError(f"--by {by}: {REPEATED[by]} are what variance is over; name a setting such as model.widths")
    found = groups(table, [by], "test/loss")
    left_out = [*left_out, *(lost for group in found for lost in group.lost)]
    numbers = {group.label: number_of(group.label) for group in found}
    if None not in numbers.values():  # values that are not numbers keep their order
        found.sort(key=lambda group: float(numbers[group.label] or 0), reverse=falling)
    for group in found:
        if len(group.folders) < 2:
            raise InputError(f"{by}={group.label} has {len(group.folders)} finished run: variance takes at least 2")
    table, predictions = predict_all(table, left_out)
    known = {str(run.folder) for run in table.runs}
    for group in found:
        group.folders[:] = [folder for folder in group.folders if folder in known]
        if len(group.folders) < 2:
            raise InputError(f"{by}={group.label} has too few runs that can be used: variance takes at least 2")
    places = {str(run.folder): place for place, run in enumerate(table.runs)}
    parts, sizes = [], set()
    together = [group.folders for group in found] if by.startswith("data.") else [list(places)]
    for folders in together:
        chosen = [places[folder] for folder in folders]
        same_examples(table.only(chosen), [predictions[place] for place in chosen])
    for group in found:
        own = [predictions[places[folder]] for folder in group.folders]
        members, targets = stacked(own), own[0].targets
        sizes.add(f"{len(targets):,}")
        parts.append((group, brier(members, targets), zero_one(members, targets)))
    return Findings(
        name="bias_variance",
        title=f"Bias and variance against {by}, on {' or '.join(sorted(sizes))} test examples",
        rows=[
            [by, "runs", "Brier", "bias²", "variance", "0–1 loss", "bias", "variance", "unbiased", "biased"],
            *(
                [group.label, str(len(group.folders)), *map(number, [*vars(squared).values(), *of_errors(errors)])]
                for group, squared, errors in parts
            ),
        ],
        values=[
            [by, "runs", "brier", "brier_bias", "brier_variance", "error", "bias", "variance", "unbiased", "biased"],
            *(
                [group.label, len(group.folders), *vars(squared).values(), *of_errors(errors)]
                for group, squared, errors in parts
            ),
        ],
        notes=notes(table, by, found, {one.examples_sha256 for one in predictions}),
        figures={"bias_variance": against(axis(by, falling), [group.label for group, _, _ in parts], lines(parts))},
        arrays={},
        runs=[Path(folder) for group in found for folder in group.folders],
        left_out=left_out,
    )


def axis(by: str, falling: bool) -> str:
    """What the axis shows: of a setting that restrains a net, that its capacity grows as it falls."""
    return f"capacity grows →   ({by} falls)" if falling else by


def of_errors(errors: ZeroOne) -> list[float]:
    return [errors.expected, errors.bias, errors.variance, errors.unbiased, errors.biased]


def lines(parts: list[tuple[Group, Brier, ZeroOne]]) -> dict:
    squares, errors = [square for _, square, _ in parts], [error for _, _, error in parts]
    return {
        "Brier score": {
            "expected = bias² + variance": ([each.expected for each in squares], "-"),
            "bias²": ([each.bias for each in squares], "-"),
            "variance": ([each.variance for each in squares], "-"),
        },
        "0–1 loss": {
            "expected = bias + variance": ([each.expected for each in errors], "-"),
            "bias": ([each.bias for each in errors], "-"),
            "variance = unbiased − biased": ([each.variance for each in errors], "-"),
        },
    }


def notes(table: Table, by: str, found: list[Group], examples: set[str]) -> list[str]:
    """What the resamples are, and other caveats.

    Args:
        examples: digests of the test examples.
    """
    between, within = beside(table, [by])
    said = [f"Runs with the same {by} differ in {', '.join([*table.repeats([by]), *within])}."]
    if between:
        said.append(f"Between its values these differ, too: {', '.join(between)}.")
    if len(examples) > 1:
        said.append("Each value has test examples, or labels, of its own.")
    if len({len(group.folders) for group in found}) > 1:
        said.append("Its values have different numbers of runs: with fewer, more of the variance is taken for bias.")
    said.append("Both decompositions are exact over these runs; noise in the targets is within the bias.")
    return said
