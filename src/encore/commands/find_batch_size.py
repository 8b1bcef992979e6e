"""Try batch sizes of a config, each twice the one before, and say which fit and how fast they are."""

import argparse
import logging

from encore.config.compose import config_from
from encore.config.facts import encores_data
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=f"{__doc__} What fits depends on the machine, so this is no part of a run: set data.batch_size "
        "yourself. Another batch size is another run, and usually wants another learning rate."
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="the run's settings, as for train.py")
    parser.add_argument("--first", type=int, default=16, help="size to begin with (16)")
    parser.add_argument("--most", type=int, default=4096, help="largest size to try (4096)")
    parser.add_argument("--steps", type=int, default=30, help="optimiser steps at each size (30)")
    wanted = parser.parse_intermixed_args()
    for name in ("first", "most", "steps"):
        if getattr(wanted, name) < 1:
            raise ConfigError(f"--{name} {getattr(wanted, name)}: must be at least 1")
    if wanted.most < wanted.first:
        raise ConfigError(f"--most {wanted.most}: must be at least --first {wanted.first}")
    cfg = config_from(wanted.words)
    if not encores_data(cfg):
        raise ConfigError("only Encore's data have a data.batch_size that can be tried; yours say themselves")
    from encore.runner.batch_sizes import tried  # torch only from here

    logging.getLogger("encore").setLevel(logging.WARNING)
    held = []
    print("data.batch_size  examples a second  GPU memory", flush=True)
    for each in tried(cfg, wanted.first, wanted.most, wanted.steps):
        held.append(each)
        memory = f"{each.memory / 2**20:,.0f} MiB" if each.memory else "-"
        print(f"{each.size:15}  {each.examples:17,.0f}  {memory:>10}", flush=True)
    fastest = max(held, key=lambda each: each.examples)
    print(f"largest that fits: data.batch_size={held[-1].size}; fastest: data.batch_size={fastest.size}")
