"""Draw what finished runs have learned: a fitted line, a likelihood, class regions, or misclassified pictures."""

from encore.command import end
from encore.commands.draw import main

if __name__ == "__main__":
    end(main)
