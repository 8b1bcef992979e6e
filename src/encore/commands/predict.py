"""Predict pictures, arrays, tables or sentences with a finished run's best weights."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError, InputError
from encore.terminal import counted, harmless

PROMPT = "a sentence a line; for other models the path of a file; Ctrl-D ends"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE_OR_FOLDER",
        help="pictures, .npy, .npz, .csv, .tsv, .parquet or .txt files, or folders of them; "
        "-: standard input, a sentence a line, or a file's path where the model reads no text",
    )
    parser.add_argument("--top", type=int, default=3, help="how many of the most probable classes to show (3)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="print CSV")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    parser.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="of a model of pixels: write each picture's classes as a PNG there"
    )
    parser.add_argument("--device", help="where to compute, such as cpu or cuda:0 (where it was trained)")
    parser.add_argument(
        "--data-dir", type=Path, help="folder of the data, if they have moved; only runs of earlier versions need them"
    )
    wanted = parser.parse_args()
    if wanted.top < 1:
        raise ConfigError(f"--top {wanted.top}: must be at least 1")
    if "-" in wanted.inputs and len(wanted.inputs) > 1:
        raise ConfigError("-, standard input, stands alone")
    # What is missing is said before torch is imported
    from encore.record.result import Result
    from encore.use.paths import Found, find, suffixes, typed

    Result.read(wanted.run)
    lines = typed(PROMPT) if wanted.inputs == ["-"] else []
    found = Found() if lines else find(wanted.inputs, suffixes())
    from encore.analysis.predicted import Row, of_pixels, printed, rows
    from encore.analysis.results.findings import kept_in
    from encore.use.masks import Masks
    from encore.use.model import load
    from encore.use.predictions import kind_of
    from encore.use.reading import Read, examples

    model = load(wanted.run, wanted.device, wanted.data_dir)
    if lines and model.from_text is None:
        found, lines = find(lines, suffixes()), []
    of_classes = kind_of(model.task) == "pixels"
    if wanted.masks and not of_classes:
        raise InputError(f"{wanted.run} predicts no class for each pixel: --masks is for segmentation")
    masks = Masks(wanted.masks, found.files) if wanted.masks else None
    problems, number = found.problems, max(1, len(lines) + len(found.files) + len(found.problems))
    files = counted(found.files, len(found.files), "reading")
    parts = [Read(lines, model.texts(lines))] if lines else examples(model, files, problems.append)
    axes = (model.config["data"].get("axes") or {}).get("targets") or []
    said: list[Row] = []
    with kept_in(wanted.masks, "--masks") if masks else nullcontext():
        for part in parts:
            told = model.predictions(part.source)
            made = of_pixels(part, told, wanted.top, masks) if of_classes else rows(part.names, told, wanted.top, axes)
            said.extend(made)
    if said:
        print(printed(said, wanted.form or "text"))
    if found.skipped:
        print(f"left out: {found.skipped} with other endings than those of pictures, arrays, tables", file=sys.stderr)
    if problems:
        *rest, last = problems
        for problem in rest:
            print(harmless(f"unreadable: {problem}"), file=sys.stderr)
        raise InputError(f"{last}\n{len(problems)} of {number} could not be read" if number > 1 else last)
