"""Sign a finished run with your SSH key: whoever reproduces it is told whose signature holds."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run
from encore.record.result import Result
from encore.record.signature import sign


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument("--key", type=Path, help="private key, or public key of an agent's (the first of ~/.ssh/id_…)")
    wanted = parser.parse_args()
    Result.read(wanted.run)
    print(sign(wanted.run, wanted.key))
