"""Draw the learning curves of runs: one chart per metric, with training and validation together."""

from encore.command import end
from encore.commands.curves import main

if __name__ == "__main__":
    end(main)
