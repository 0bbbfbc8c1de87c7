"""Writes ``llms.txt`` beside the built pages: what there is to read, for programs.

Each page is also there as the Markdown that it was made of.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["llms_txt", "setup", "write"]

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")

#: The sections, in the order in which they help. What is left out is about work on
#: the package.
SECTIONS = {
    "tutorial": "Tutorial",
    "how-to": "How-to guides",
    "recipes": "Recipes",
    "reference": "Reference",
    "explanation": "Explanation",
}


def llms_txt(docs: Path) -> str:
    """Return the text: a title, a summary, and a list of pages for each section."""
    title, summary = head_of(docs / "index.md")
    parts = [f"# {title}\n\n> {summary}\n"]
    for folder, heading in SECTIONS.items():
        lines = [line_of(docs, page) for page in pages_of(docs / folder)]
        parts.append(f"## {heading}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def pages_of(folder: Path) -> Iterator[Path]:
    """Yield the pages of a section, in the order of its index."""
    index = folder / "index.md"
    yield index
    for block in TOCTREE.findall(index.read_text(encoding="utf-8")):
        for name in block.split("\n"):
            if name and not name.startswith(":"):
                yield folder / f"{name}.md"


def line_of(docs: Path, page: Path) -> str:
    """Return the line of a page: its title, where its Markdown is, what it is about."""
    title, summary = head_of(page)
    line = f"- [{title}]({page.relative_to(docs).as_posix()})"
    return f"{line}: {summary}" if summary else line


def head_of(page: Path) -> tuple[str, str]:
    """Return the title of a page, and its first paragraph in plain text."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    title, _, rest = text.removeprefix("# ").partition("\n")
    for paragraph in rest.split("\n\n"):
        words = " ".join(paragraph.split())
        if words and words[0] not in "#|-!<:":
            return title, LINK.sub(r"\1", words)
    return title, ""


def write(docs: Path, built: Path) -> None:
    """Write the text, and copy the Markdown of each page that it names."""
    (built / "llms.txt").write_text(llms_txt(docs), encoding="utf-8")
    for folder in SECTIONS:
        for page in pages_of(docs / folder):
            copy = built / page.relative_to(docs)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, copy)


def _finish(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        write(Path(app.srcdir), Path(app.outdir))


def setup(app: Any) -> dict[str, bool]:
    """Write the text when Sphinx has built the pages."""
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
