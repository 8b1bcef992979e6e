"""Predict pictures, arrays, tables or sentences with a finished run's best weights."""

from encore.command import end
from encore.commands.predict import main

if __name__ == "__main__":
    end(main)
