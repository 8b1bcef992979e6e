"""Download datasets with checksums, or take their files from a folder where they already are."""

from encore.command import end
from encore.commands.fetch_data import main

if __name__ == "__main__":
    end(main)
