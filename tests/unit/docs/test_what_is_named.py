"""What the documentation names is there: links, files, commands, settings, messages."""

import ast
import re
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

from movie_recommender.cli import app
from movie_recommender.settings import Settings
from tests.unit.docs.pages import PAGES, ROOT, anchors, code, name_of, prose

PACKAGE = ROOT / "src" / "movie_recommender"
SETTINGS = {name.upper() for name in Settings.model_fields}
NOT_OURS = ("AIRFLOW_", "AWS_", "GOOGLE_", "MLFLOW_FLASK_", "OTEL_")
"""Variables of others whose names begin as some of ours."""

_LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"[\w.*-]+(?:/[\w.*-]+)+\.(?:py|sql|md|toml|ya?ml|css|js|in|xml)")
_FOLDER = re.compile(r"(?:src|tests|docs|dags|sim|benchmarks|deploy)/(?:[\w-]+/)*")
_NEW_FILE = re.compile(r"^`([^`]+)`, a new file:$", re.MULTILINE)
_VARIABLE = re.compile(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(_?…)?")
_MAKE = re.compile(r"(?:^|[\s`])make (?:[A-Z]+=\S+ )*([a-z][a-z-]*)")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / path
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@every_page
def test_files_are_there(page: Path) -> None:
    new = set(_NEW_FILE.findall(prose(page)))
    named = {word for word in code(page) if _FILE.fullmatch(word) or _FOLDER.fullmatch(word)}
    places = (ROOT, PACKAGE, ROOT / "tests", ROOT / "deploy", page.parent)
    missing = {
        name
        for name in named - new
        if not name.startswith("var/") and not any(list(place.glob(name)) for place in places)
    }
    assert missing == set()


def test_the_architecture_names_every_part() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert [part for part in parts if not re.search(rf"\b{part}\b", told)] == []


def test_the_readme_leads_to_every_page() -> None:
    linked = set(_LINK.findall(prose(ROOT / "README.md")))
    pages = {name_of(page) for page in PAGES if page.parent.name == "docs"}
    assert pages - linked == set()


@every_page
def test_make_has_the_targets(page: Path) -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    assert {name for line in code(page) for name in _MAKE.findall(line)} <= targets


@cache
def deployed() -> str:
    """The files of the deployment and of the package: MLflow's own variables stand in them."""
    places = (ROOT / "deploy", PACKAGE)
    files = (path for place in places for path in place.rglob("*") if path.is_file())
    return "\n".join(path.read_text(encoding="utf-8", errors="ignore") for path in files)


@every_page
def test_settings_are_settings(page: Path) -> None:
    ours = {name.partition("_")[0] for name in SETTINGS}
    unknown = set()
    for name, more in (found for line in code(page) for found in _VARIABLE.findall(line)):
        known = any(each.startswith(name) for each in SETTINGS) if more else name in SETTINGS
        if not known and name.partition("_")[0] in ours and not name.startswith(NOT_OURS):
            unknown.add(name)
    assert {name for name in unknown if name not in deployed()} == set()


def commands_of(command: Any) -> dict[str, Any]:
    """Its subcommands by name; typer brings a click of its own."""
    return dict(getattr(command, "commands", {}))


def wrong_command(words: list[str]) -> str | None:
    """What is wrong with the words after `movie-recommender`; None: it can be called so."""
    command: Any = typer.main.get_command(app)
    path = "movie-recommender"
    while commands_of(command) and words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
        if words[0] not in command.commands:
            return f"{path} has no command {words[0]}"
        path, command, words = f"{path} {words[0]}", command.commands[words[0]], words[1:]
    known = {"--help", *(opt for parameter in command.params for opt in parameter.opts)}
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return f"{path} has no {options - known}" if options - known else None


@every_page
def test_commands_can_be_called(page: Path) -> None:
    wrong = set()
    for line in code(page):
        _, called, rest = line.partition("movie-recommender ")
        words = rest.strip("[]").replace("[", "").replace("]", "").split()
        until = takewhile(lambda word: word not in {"|", ">", "#", "&&"}, words)
        wrong.add(wrong_command(list(until)) if called else None)
    assert wrong - {None} == set()


def test_every_command_is_told() -> None:
    told = [line for page in PAGES for line in code(page)]
    silent = [
        name
        for name in commands_of(typer.main.get_command(app))
        if not any(re.search(rf"(^|movie-recommender ){name}\b", line) for line in told)
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["features", "list"], None),
        (["features", "--as-of", "2026-02-01"], None),
        (["extract", "--accept-losses"], "movie-recommender extract has no {'--accept-losses'}"),
        (["feature", "list"], "movie-recommender has no command feature"),
        (["lake", "mend"], "movie-recommender lake has no command mend"),
    ],
)
def test_a_wrong_command_is_seen(words: list[str], wrong: str | None) -> None:
    assert wrong_command(words) == wrong


def test_figures_of_scale_are_those_of_the_benchmarks() -> None:
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in prose(ROOT / "docs" / "scaling.md").splitlines()]
    seen = [row[1] for row in rows if re.fullmatch(r"20\d\d-\d\d-\d\d \|", row[-1])]
    assert len(seen) > 5
    numbers = {number for cell in seen for number in re.findall(r"\d[\d,.]*\d|\d", cell)}
    assert {
        n for n in numbers if not re.search(rf"(?<![\d,.]){re.escape(n)}(?!\d)", measured)
    } == set()


@cache
def messages() -> list[str]:
    """Every string of the package, on one line, with `…` for what is put in."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    part.value if isinstance(part, ast.Constant) else "…" for part in node.values
                )
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(" ".join(node.value.split()))
    return found


def is_printed(message: str) -> bool:
    """Whether the package has the message, `…` standing for anything."""
    pattern = re.compile(".*?".join(map(re.escape, message.split("…"))), re.DOTALL)
    return any(pattern.search(found) for found in messages())


@pytest.mark.parametrize("page", [ROOT / "docs" / "troubleshooting.md"], ids=name_of)
def test_symptoms_are_what_the_product_prints(page: Path) -> None:
    rows = [line.split(" | ")[0] for line in prose(page).splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    said = [re.findall(r"`([^`]+)`", row) for row in rows]
    assert [message for row in said for message in row if not is_printed(message)] == []


def test_a_message_that_nobody_prints_is_seen() -> None:
    assert is_printed("The disk is full: writing … failed")
    assert not is_printed("The disk is full: reading … failed")
