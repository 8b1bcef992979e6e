"""Runs that can be killed: imports everything once, then forks a process for each run that it is told of.

A line of its input is a run's overrides as JSON; it answers with the process's number, and then its exit code.
"""

import json
import os
import sys

import sklearn.datasets  # noqa: F401
import torchvision  # noqa: F401

import encore
import encore.record.tensorboard
import encore.training
from encore.errors import EncoreError


def main() -> None:
    for line in sys.stdin:
        if not (process := os.fork()):
            os._exit(code_of(json.loads(line)))
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def code_of(overrides: dict) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        encore.run(overrides)
    except EncoreError as problem:
        print(problem, file=sys.stderr, flush=True)
        return problem.code
    except BaseException as problem:
        print(repr(problem), file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    main()
