"""Compare runs: what differs in settings, code, packages, machine, data and results, and their curves."""

from encore.command import end
from encore.commands.compare import main

if __name__ == "__main__":
    end(main)
