"""Draw what starting from other weights gains: test accuracy by the number of training examples, a line a start."""

from course.transfer import main
from encore.command import end

if __name__ == "__main__":
    end(main)
