"""What a run of IMDB's reviews says of texts: of yours, of single words, and of the reviews that it gets wrong."""

from course.reviews.command import main
from encore.command import end

if __name__ == "__main__":
    end(main)
