"""What nets cost and what they are worth: accuracy, parameters, bytes, multiply-adds and time, and the best of them."""

from course.efficient.command import main
from encore.command import end

if __name__ == "__main__":
    end(main)
