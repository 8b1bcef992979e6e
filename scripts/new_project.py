"""Create a project of your own: a package, configs that override the engine's, tests, and an example of each."""

from encore.command import end
from encore.commands.new import main

if __name__ == "__main__":
    end(main)
