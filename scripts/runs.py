"""List runs: those that meet conditions, sorted, the best; put runs into a bin, or free their checkpoints."""

from encore.command import end
from encore.commands.runs import main

if __name__ == "__main__":
    end(main)
