"""Chromium without a window, to look at pages as a reader sees them."""
