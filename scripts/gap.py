"""Measure the generalisation gap of finished runs: clean training loss against held-out loss, over seeds."""

from encore.command import end
from encore.commands.gap import main

if __name__ == "__main__":
    end(main)
