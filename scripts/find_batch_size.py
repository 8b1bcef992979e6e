"""Try batch sizes of a config, each twice the one before, and say which fit and how fast they are."""

from encore.command import end
from encore.commands.find_batch_size import main

if __name__ == "__main__":
    end(main)
