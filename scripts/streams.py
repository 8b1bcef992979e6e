"""How runs on a stream did while it came, and what they had forgotten at its end."""

from course.streams.command import main
from encore.command import end

if __name__ == "__main__":
    end(main)
