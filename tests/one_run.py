"""One run, of overrides as JSON: `python tests/one_run.py '{"optim.lr": 0.1}'`."""

import json
import sys

import encore
from encore.errors import EncoreError

if __name__ == "__main__":
    try:
        encore.run(json.loads(sys.argv[1]))
    except EncoreError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.code)
