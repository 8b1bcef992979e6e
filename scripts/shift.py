"""Measure how well finished runs recognise test pictures that are moved by 0 to 6 pixels, over seeds."""

from course.shift.command import main
from encore.command import end

if __name__ == "__main__":
    end(main)
