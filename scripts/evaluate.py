"""Test a finished run's best weights again and compare with the record, bit for bit; or on other examples."""

from encore.command import end
from encore.commands.evaluate import main

if __name__ == "__main__":
    end(main)
