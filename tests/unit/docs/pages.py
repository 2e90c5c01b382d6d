"""The documentation as the tests read it: pages, their headings, and what they show as code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_EXAMPLES = {"diff", "python", "sql", "mermaid"}
"""Blocks of these are source texts, which other tests read."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def code(page: Path) -> list[str]:
    """What a reader may type: code within sentences and tables, and the lines of blocks."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line
        for language, block in _FENCE.findall(text)
        if language not in _EXAMPLES
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [*lines, *(span.replace("\\|", "|") for span in _SPAN.findall(prose(page)))]


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    shown = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in shown}
