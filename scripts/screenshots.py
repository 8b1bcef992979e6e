"""Make the pictures of TensorBoard in README.md and docs/tensorboard.md, from runs that this trains.

It needs Fashion-MNIST (`python scripts/fetch_data.py fashion_mnist`) and Chromium (`apt-get install chromium`), and
takes two minutes.
"""

import argparse
import asyncio
import io
import tempfile
from pathlib import Path

from browser.devtools import Page, page
from browser.tensorboard import tensorboard

import encore
from encore.command import end

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# Shown at the width of a README, about 900 pixels.
WIDTH, HEIGHT = 1100, 640
WHOLE = 800  # the height of a window in which a whole picture is seen
RUNS = [
    ["data=fashion_mnist", "model=mlp", "model.widths=[512]", "data.fraction=0.2", "augment=[flip_crop_small]"],
    ["data=fashion_mnist", "model=mlp", "model.widths=[512]", "data.fraction=0.2", "optim.lr=3e-3"],
]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=IMAGES, help="the folder of the pictures")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        for settings in RUNS:
            encore.run([*settings, "trainer.max_epochs=20", "threads=1", f"runs_dir={folder}/runs"])
        with tensorboard(Path(folder, "runs")) as address:
            asyncio.run(pictures(address, out))
    return 0


async def pictures(address: str, out: Path) -> None:
    """Take a picture of each tab that the pages show."""
    async with page(WIDTH, HEIGHT) as opened:
        await opened.visit(f"{address}?tab=scalars#custom_scalars")
        await opened.until("Matches (")
        await keep(opened, out / "tensorboard.png")
        await opened.visit(f"{address}?tab=images#images")
        await opened.until("mistakes/confusion")
        await opened.click("Show actual image size")
        await opened.resize(WIDTH, WHOLE)
        await keep(opened, out / "tensorboard_images.png")
        await opened.resize(WIDTH, HEIGHT)
        await opened.visit(f"{address}?tab=projector#projector")
        await opened.until("200x32")
        await asyncio.sleep(20)  # until the points have come to rest
        await keep(opened, out / "tensorboard_projector.png")


async def keep(opened: Page, file: Path) -> None:
    """Write a picture of the page, in so few colours that it is small."""
    from PIL import Image

    await asyncio.sleep(5)  # charts are drawn one after another
    picture = Image.open(io.BytesIO(await opened.picture())).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)
    print(file)


if __name__ == "__main__":
    end(main)
