"""Export a finished run's model as one file that needs no Encore: ONNX, or torch.export's .pt2."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError
from encore.record.result import Result
from encore.terminal import harmless

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
NEEDED = ("onnx", "onnxscript", "onnxruntime")  # by ONNX
TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument("--format", choices=tuple(SUFFIXES), help="(by the ending of --out)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write: .onnx or .pt2")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        help=f"largest difference from the run's own predictions of its test set ({TOLERANCE:g})",
    )
    parser.add_argument("--data-dir", type=Path, help="folder of the data, if they have moved")
    wanted = parser.parse_args()
    if not wanted.tolerance > 0:
        raise ConfigError(f"--tolerance {wanted.tolerance}: must be greater than 0")
    check(wanted.format, wanted.out)
    Result.read(wanted.run)  # a wrong folder is answered before torch is imported
    from encore.analysis.export import export
    from encore.analysis.quality.examples import by_batches, examples
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.table_formats import aligned
    from encore.use.model import load

    model = load(wanted.run, device="cpu", data_dir=wanted.data_dir)
    if model.by_batches:
        held_out = by_batches(model, (model.own_batches.splits() or ["test"])[0], cut=True)
    else:
        split = next((split for split in ("test", "val", "train") if model.data.sizes[split]), "test")
        held_out = examples(model, split)
    with kept_in(wanted.out.parent):
        found = export(model, held_out, wanted.out, wanted.tolerance)
    print(aligned(found.rows))
    print(f"largest difference from the run: {found.apart:.2g} ({found.examples})")
    print(harmless(wanted.out))


def check(form: str | None, out: Path) -> None:
    """Raise ConfigError if a file cannot be of a format, or a package is missing."""
    endings = [SUFFIXES[form]] if form else list(SUFFIXES.values())
    if out.suffix not in endings:
        raise ConfigError(f"--out {out}: the file must end in {' or '.join(endings)}")
    if out.suffix == ".onnx" and (missing := [name for name in NEEDED if find_spec(name) is None]):
        raise ConfigError(
            f"ONNX needs {', '.join(missing)}: pip install 'encore[export]', or --out FILE.pt2 needs no more"
        )
