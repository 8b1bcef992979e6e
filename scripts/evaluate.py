"""Test a finished run's best weights again and compare the metrics with the record, bit for bit."""

from encore.command import end
from encore.commands.evaluate import main

if __name__ == "__main__":
    end(main)
