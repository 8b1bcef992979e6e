"""Check the environment: packages, GPU, disk, threads, TensorBoard, a run of two steps; say what to mend."""

from encore.command import end
from encore.commands.doctor import main

if __name__ == "__main__":
    end(main)
