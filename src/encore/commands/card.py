"""Write a model card and a dataset card of a finished run, in Hugging Face's format."""

import argparse
from pathlib import Path

from encore.analysis.card import write
from encore.config.named_runs import a_run
from encore.terminal import harmless


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument("--out", type=Path, default=Path("card"), metavar="FOLDER", help="folder to write (card)")
    wanted = parser.parse_args()
    for file in write(wanted.run, wanted.out):
        print(harmless(file))
