"""Measure the sharpness of the minima that finished runs reached: by the Hessian, and along a random direction."""

from encore.command import end
from encore.commands.sharpness import main

if __name__ == "__main__":
    end(main)
