"""Compare a net that was trained with dropout with the average of many nets thinned by it."""

from course.passing.voting import main
from encore.command import end

if __name__ == "__main__":
    end(main)
