"""How well classifiers recognise pictures that have been moved."""
