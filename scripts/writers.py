"""Were two sets of digits written by one person? Runs of `experiment=writers_verify` against hand-made features."""

from course.writers.command import main
from encore.command import end

if __name__ == "__main__":
    end(main)
