"""`scripts/writers.py`: were two sets of digits written by one person?"""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Were two sets of k digits written by one person, whom the run has never seen? Area under the ROC "
        "curve and equal error rate, with intervals over writers, against hand-made features."
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs of task=verification")
    parser.add_argument("--out", type=Path, default=Path("writers"), help="folder to write (writers)")
    parser.add_argument("--k", nargs="+", type=int, default=[1, 2, 5, 10], help="digits of a set (1 2 5 10)")
    parser.add_argument("--draws", type=int, default=1000, help="of writers, for the intervals (1000)")
    parser.add_argument("--projector", type=Path, metavar="FOLDER", help="write embeddings for TensorBoard's projector")
    wanted = parser.parse_args()
    if min(wanted.k) < 1:
        raise ConfigError(f"--k {min(wanted.k)}: a set has at least 1 digit")
    if wanted.draws < 2:
        raise ConfigError(f"--draws {wanted.draws}: must be at least 2")
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished, of_each

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from course.writers import verification
        from course.writers.projector import project

        table, embedded = of_each(table, left_out, verification.embed, what="embedding")
        findings = verification.compare(embedded, sorted(set(wanted.k)), wanted.draws, left_out)
        findings.conclude(wanted.out)
    if wanted.projector is not None:
        project(embedded[0], wanted.projector)
        print(f"tensorboard --logdir {wanted.projector}  # PROJECTOR, Color by: writer")
