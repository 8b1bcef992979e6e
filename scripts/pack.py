"""Pack a dataset into shards with digests, which are read fast from a disk or from object storage."""

from encore.command import end
from encore.commands.pack import main

if __name__ == "__main__":
    end(main)
