"""Choose settings by k-fold cross-validation, retrain with them on all non-test data, and test the result once."""

from encore.command import end
from encore.commands.cross_validate import main

if __name__ == "__main__":
    end(main)
