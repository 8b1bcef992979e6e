"""Report on runs: means over seeds with confidence intervals, comparisons, figures."""

from encore.command import end
from encore.commands.report import main

if __name__ == "__main__":
    end(main)
