"""Encore."""
