"""Train one run, or sweep over many: `python train.py model=mlp optim=adam`; `--help` lists what there is."""

import sys

try:
    from encore.command import end
    from encore.commands.train import main
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed here: `make setup` makes the environment, .venv/bin/python runs in it")

if __name__ == "__main__":
    end(main, trains=True)
