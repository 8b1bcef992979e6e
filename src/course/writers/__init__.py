"""Whose hand is it? Writers of MNIST's digits: which of some known ones, and whether two sets are of one person."""
