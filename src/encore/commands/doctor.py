"""Check the environment: packages, GPU, disk, threads, TensorBoard, a run of two steps; say what to mend."""

import argparse
import importlib
import sys

from encore.config import places
from encore.errors import ConfigError
from encore.project.health import CHECKS, PROBLEM, examine
from encore.provenance import remembered
from encore.terminal import harmless


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="exit code 1 where there is a problem")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"{', '.join(CHECKS)} (all)")
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="try on a GPU what Encore promises, and measure it: python scripts/gpu_check.py",
    )
    parser.add_argument(
        "--clear-digests", action="store_true", help="only forget the digests of files: all are read again"
    )
    wanted = parser.parse_args()
    if wanted.checks and (wanted.gpu or wanted.clear_digests):
        parser.error(
            f"{'--gpu' if wanted.gpu else '--clear-digests'} takes no CHECK: leave out {' '.join(wanted.checks)}"
        )
    if wanted.gpu:
        return gpu_check()
    if wanted.clear_digests:
        there = remembered.clear(remembered.folder())
        print(f"{remembered.folder() / remembered.FILE} {'is cleared' if there else 'does not exist'}")
        return 0
    if unknown := [name for name in wanted.checks if name not in CHECKS]:
        parser.error(f"there is no check {unknown[0]}; choose from {', '.join(CHECKS)}")
    bad = False
    for name, finding in examine(wanted.checks or list(CHECKS)):
        print(harmless(f"{finding.level:8} {name:12} {finding.words}"), flush=True)
        if finding.remedy:
            print(harmless(f"{'':21} → {finding.remedy}"))
        bad = bad or finding.level == PROBLEM
    return int(bad)


def gpu_check() -> int:
    """Run the check that lies beside the engine in its repository.

    Raises:
        ConfigError: the engine is installed without it.
    """
    scripts = places.engine().parent / "scripts"
    if not (scripts / "gpu_check.py").is_file():
        raise ConfigError("--gpu needs the repository, which has scripts/gpu_check.py and the tests that it runs")
    sys.path.insert(0, str(scripts))
    sys.argv = [str(scripts / "gpu_check.py")]
    code: int = importlib.import_module("gpu_check").main()
    return code
