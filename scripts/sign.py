"""Sign a finished run with your SSH key: whoever reproduces it is told whose signature holds."""

from encore.command import end
from encore.commands.sign import main

if __name__ == "__main__":
    end(main)
