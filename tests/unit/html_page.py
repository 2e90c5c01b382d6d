"""HTML as its reader gets it: for tests of the reports."""

from html.parser import HTMLParser

VOID = ("meta", "rect", "path", "link", "input")


class Page(HTMLParser):
    """Every element with its attributes, the text, and whether elements close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = attributes.items()
        return [have for name, have in self.elements if name == tag and wanted <= have.items()]


def assert_needs_nothing_else(html: str) -> None:
    """No script, no other file, no network; and there are colours for the dark."""
    found = Page(html)
    loading = {"src", "href", "srcset", "data", "xlink:href"}
    assert not [tag for tag, attributes in found.elements if loading & attributes.keys()]
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in found.elements}
    assert "url(" not in html
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html
