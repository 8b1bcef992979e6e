"""Put finished runs together: as an ensemble on the test set, or out of fold."""

import argparse
import sys
from pathlib import Path

from encore.command import end


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--how", choices=("probabilities", "votes"), default="probabilities", help="(probabilities)")
    parser.add_argument(
        "--split",
        choices=("test", "out-of-fold"),
        default="test",
        help="what is predicted: the test set by all runs together (test), or each fold by the run that left it out",
    )
    parser.add_argument("--out", type=Path, default=Path("ensemble"), help="folder to write (ensemble)")
    wanted = parser.parse_args()
    # pandas only from here, and torch only where there are runs: a mistake is answered at once
    from encore.ensembles.members import members

    table, left_out = members(wanted.runs)
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    if wanted.split == "out-of-fold":
        from encore.ensembles.folds import out_of_fold

        findings = out_of_fold(table, left_out)
    else:
        from encore.ensembles.together import ensemble

        findings = ensemble(table, left_out, wanted.how)
    findings.write(wanted.out)
    print(findings.text())
    print(f"\n{wanted.out / findings.name}.md")
    return 0


if __name__ == "__main__":
    end(main)
