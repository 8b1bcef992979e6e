"""Notebooks as pages: their cells with the outputs that are stored in them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from website.links import ROOT, rewritten


def pages() -> Iterator[tuple[str, str | bytes]]:
    """A page for each notebook, and its pictures."""
    for file in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        text: list[str] = []
        pictures: list[tuple[str, bytes]] = []
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            text.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
            for output in cell.get("outputs", []):
                text.append(shown(output, f"{file.stem}-{len(pictures) + 1}.png", pictures))
        path = file.relative_to(ROOT).as_posix()
        yield f"notebooks/{file.stem}.md", rewritten("\n\n".join(text), path)
        yield from ((f"notebooks/{name}", content) for name, content in pictures)


def shown(output: dict[str, Any], name: str, pictures: list[tuple[str, bytes]]) -> str:
    """An output as Markdown; a picture becomes a file."""
    data = output.get("data", {})
    if "image/png" in data:
        pictures.append((name, base64.b64decode(data["image/png"])))
        return f"![]({name})"
    if "text/html" in data:
        return "".join(data["text/html"])
    return "```text\n" + "".join(data.get("text/plain", output.get("text", ""))).rstrip() + "\n```"
