"""Export a finished run's model as one file that needs no Encore: ONNX, or torch.export's .pt2."""

from encore.command import end
from encore.commands.export import main

if __name__ == "__main__":
    end(main)
