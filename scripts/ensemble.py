"""Combine the predictions of finished runs: as an ensemble on the test set, or out of fold."""

from encore.command import end
from encore.commands.ensemble import main

if __name__ == "__main__":
    end(main)
