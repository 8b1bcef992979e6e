"""The example notebooks: executed by `make notebooks`, which keeps their outputs in them, and shown as pages."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from website.links import ROOT, rewritten

FOLDER = ROOT / "docs" / "notebooks"


def executed(file: Path, folder: Path) -> Any:
    """A notebook with the outputs that its cells have when they are executed in a folder."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=600, record_timing=False, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def pages() -> Iterator[tuple[str, str | bytes]]:
    """A page for each notebook, and its pictures."""
    for file in sorted(FOLDER.glob("*.ipynb")):
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
        return f"![What the cell above draws]({name})"
    if "text/html" in data:  # a table: without blank lines, which would end it, and with the site's look
        lines = "".join(data["text/html"]).partition("</style>")[2].splitlines()
        kept = [line.strip() for line in lines if line.strip() not in ("", "</div>")]
        return "\n".join(kept).replace('<table border="1" class="dataframe">', "<table>")
    return "```text\n" + "".join(data.get("text/plain", output.get("text", ""))).rstrip() + "\n```"


if __name__ == "__main__":
    import nbformat

    for each in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(each, each.parent), each)
