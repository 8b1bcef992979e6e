"""Boost a weak learner: each member is a run trained on a resample that favours what earlier members got wrong."""

from encore.command import end
from encore.commands.boost import main

if __name__ == "__main__":
    end(main)
