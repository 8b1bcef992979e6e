"""Write JSON schemas that let editors complete configs and underline mistakes."""

from encore.command import end
from encore.commands.schema import main

if __name__ == "__main__":
    end(main)
