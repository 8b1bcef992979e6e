"""Write a model card and a dataset card of a finished run, in Hugging Face's format."""

from encore.command import end
from encore.commands.card import main

if __name__ == "__main__":
    end(main)
