"""Re-derive published figures: run the experiments that make claims, unless finished, and say which claims hold."""

from encore.command import end
from encore.commands.claims import main

if __name__ == "__main__":
    end(main)
