"""Repeat a finished run from its record alone, and compare the two bit for bit."""

from encore.command import end
from encore.commands.reproduce import main

if __name__ == "__main__":
    end(main)
