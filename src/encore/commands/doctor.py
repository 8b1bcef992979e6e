"""Check the environment: packages, GPU, disk, threads, TensorBoard, a run of two steps; say what to mend."""

import argparse

from encore.project.health import CHECKS, PROBLEM, examine
from encore.terminal import harmless


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="exit code 1 where there is a problem")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"{', '.join(CHECKS)} (all)")
    wanted = parser.parse_args()
    if unknown := [name for name in wanted.checks if name not in CHECKS]:
        parser.error(f"there is no check {unknown[0]}; choose from {', '.join(CHECKS)}")
    bad = False
    for name, finding in examine(wanted.checks or list(CHECKS)):
        print(harmless(f"{finding.level:8} {name:12} {finding.words}"), flush=True)
        if finding.remedy:
            print(harmless(f"{'':21} → {finding.remedy}"))
        bad = bad or finding.level == PROBLEM
    return int(bad)
