"""Draw the paths that optimisers took through a stretched valley."""

from course.passing.paths import main
from encore.command import end

if __name__ == "__main__":
    end(main)
