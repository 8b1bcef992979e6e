"""Text: is a review of a film praise? IMDB's reviews, and nets that read them."""
