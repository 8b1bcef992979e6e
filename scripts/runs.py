"""List runs with start time, name, seed, status, metric and folder."""

from encore.command import end
from encore.commands.runs import main

if __name__ == "__main__":
    end(main)
