"""Draw the learning curves of runs: training and validation on one chart a metric."""

import argparse
from pathlib import Path

from encore.command import end
from encore.errors import InputError
from encore.record.result import Result
from encore.results.curves import figure
from encore.results.runs import folders_of


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument(
        "--metrics", nargs="+", default=["loss", "accuracy"], help="without their split (loss accuracy)"
    )
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="picture to write: .png, .svg or .pdf")
    wanted = parser.parse_args()
    folders = [folder for given in wanted.runs for folder in folders_of(given)]
    found = [Result.read(folder) for folder in folders]
    finished = [result for result in found if result.status == "finished"]
    if not finished:
        raise InputError("none of these is a finished run; python scripts/runs.py lists the runs")
    drawn = figure(finished, wanted.metrics)
    if wanted.out.suffix[1:] not in drawn.canvas.get_supported_filetypes():
        raise InputError(f"--out {wanted.out}: the picture's ending is .png, .svg or .pdf")
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(wanted.out, dpi=150)
    print(wanted.out)
    return 0


if __name__ == "__main__":
    end(main)
