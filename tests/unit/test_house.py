"""The rules of the house that no linter knows; import-linter holds the one-way imports."""

import ast
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from movie_recommender.settings import Settings, shown

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "movie_recommender"
SOURCES = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "dags").rglob("*.py"))]
SOURCES += sorted((ROOT / "sim").rglob("*.py"))

ROOMS = (
    *("lake", "extract", "features", "bundle", "registry", "ranking", "evaluation", "training"),
    "serving",
)
READS_ENVIRONMENT = (
    "settings.py",
    "lake/allocator.py",  # delta-rs takes its allocator's settings only from there
    "lake/storage.py",  # Arrow doesn't read all of the variables that delta-rs does
    "registry/client.py",  # MLflow takes its time-outs only from there
    "serving/server.py",  # Prometheus' client takes its directory only from there
    "orchestration/object_store.py",  # delta-rs takes a bucket's keys only from there
    "orchestration/outside.py",  # so are Airflow found, and a connection lent to its hooks
    "simulation/cli.py",
    "local/",
)
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}
MAX_LINES = 350
# In pieces, so that this file doesn't name them either.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("repo", "maven"),
        ("repo1", "maven"),
        ("npmjs", "org"),
        ("anaconda", "org"),
        ("download", "pytorch"),
        ("proxy", "golang"),
    )
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room_files() -> list[Path]:
    return [
        path
        for path in SOURCES
        if path.is_relative_to(PACKAGE)
        and path.relative_to(PACKAGE).parts[0].removesuffix(".py") in ROOMS
    ]


def imported(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Every (module, name) that the file imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def attributes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every `name.attribute`, of `module.name.attribute` the last two."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if isinstance(owner, ast.Name):
                yield owner.id, node.attr
            elif isinstance(owner, ast.Attribute):
                yield owner.attr, node.attr


def reads_environment(tree: ast.Module) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    return any(owner == "os" and attr in names for owner, attr in attributes(tree)) or any(
        module == "os" and name in names for module, name in imported(tree)
    )


def reads_clock(tree: ast.Module) -> bool:
    return any(pair in CLOCKS for pair in attributes(tree)) or any(
        pair in {("time", "time"), ("time", "time_ns")} for pair in imported(tree)
    )


def imports_airflow(tree: ast.Module) -> bool:
    return any(module.split(".")[0] == "airflow" for module, _ in imported(tree))


def undocumented(tree: ast.Module) -> list[str]:
    """Public functions, classes and methods without a docstring; methods as `Class.method`."""
    found = []
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for node in tree.body:
        if not isinstance(node, kinds) or node.name.startswith("_"):
            continue
        members = node.body if isinstance(node, ast.ClassDef) else []
        methods = [m for m in members if isinstance(m, kinds) and not m.name.startswith("_")]
        found += [node.name] if ast.get_docstring(node) is None else []
        found += [f"{node.name}.{m.name}" for m in methods if ast.get_docstring(m) is None]
    return found


def published_files() -> Iterator[Path]:
    """Every file that git doesn't ignore, found without git: a source archive has none."""
    patterns = [line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    pending = [ROOT]
    while pending:
        for path in pending.pop().iterdir():
            ignored = any(fnmatch.fnmatch(path.name, pattern) for pattern in [*patterns, ".git"])
            if ignored or path.is_symlink():
                continue
            if path.is_dir():
                pending.append(path)
            else:
                yield path


def test_every_room_is_looked_at() -> None:
    seen = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in room_files()}
    assert seen == set(ROOMS)


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (reads_environment, "import os\nx = os.environ['A']", "import os\nx = os.getpid()"),
        (reads_environment, "from os import getenv", "from os import getpid"),
        (reads_clock, "x = datetime.now(UTC)", "x = datetime.fromisoformat(y)"),
        (reads_clock, "import datetime\nx = datetime.datetime.utcnow()", "x = now()"),
        (reads_clock, "import time\nx = time.time()", "import time\nx = time.perf_counter()"),
        (reads_clock, "from time import time", "from time import sleep"),
        (imports_airflow, "def f():\n    from airflow.sdk import DAG", "import airflowish"),
        (undocumented, "class A:\n    '''A.'''\n    def f(self): ...", "def _f(): ..."),
    ],
)
def test_the_rules_see_a_breach(rule, bad: str, good: str) -> None:  # type: ignore[no-untyped-def]
    assert rule(ast.parse(bad))
    assert not rule(ast.parse(good))


def test_only_the_settings_and_the_doors_read_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix() for path in SOURCES if reads_environment(parse(path))
    }
    allowed = tuple(f"src/movie_recommender/{place}" for place in READS_ENVIRONMENT)
    assert [reader for reader in readers if not reader.startswith(allowed)] == []


def test_no_room_reads_the_clock() -> None:
    assert [name_of(path) for path in room_files() if reads_clock(parse(path))] == []


def test_only_orchestration_and_the_dags_import_airflow() -> None:
    importers = [name_of(path) for path in SOURCES if imports_airflow(parse(path))]
    allowed = ("src/movie_recommender/orchestration/", "dags/")
    assert [importer for importer in importers if not importer.startswith(allowed)] == []


def test_what_a_room_offers_is_documented() -> None:
    silent = {name_of(path): undocumented(parse(path)) for path in room_files()}
    assert {path: names for path, names in silent.items() if names} == {}


def test_every_source_file_is_a_few_pages() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's business: a mirror, an index of its own."""
    naming = {
        f"{name_of(path)}: {host}"
        for path in published_files()
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    }
    assert naming == set()


def test_the_readme_names_every_setting_with_its_default() -> None:
    rows = [line.split("|") for line in (ROOT / "README.md").read_text().splitlines()]
    told = {
        name: row[2].strip().strip("`")
        for row in rows
        if len(row) > 3
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row[1])
    }
    defaults = {name.upper(): shown(field.default) for name, field in Settings.model_fields.items()}
    assert set(told) == set(defaults)
    as_number = {name: (_number(told[name]), _number(value)) for name, value in defaults.items()}
    assert {name: pair for name, pair in as_number.items() if pair[0] != pair[1]} == {}


def _number(text: str) -> float | str:
    """0.50 and 0.5 are the same default."""
    try:
        return float(text)
    except ValueError:
        return text
