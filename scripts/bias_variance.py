"""Decompose the test error of runs on resamples of their training data into bias and variance, against a setting."""

from encore.command import end
from encore.commands.bias_variance import main

if __name__ == "__main__":
    end(main)
