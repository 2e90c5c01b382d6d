"""The extending guide is executed: its blocks go into a copy of the sources, then its check runs.

With the examples' tests alone, and without what they change, each of the new tests must fail.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "extending.md"
COPIED = ("src", "dags", "docs", "sim", "tests", "README.md", "pyproject.toml", ".gitignore")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEW_FILE = re.compile(r"^`([^`]+)`, a new file:\n\n$", re.MULTILINE)
_CHANGED = re.compile(r"^\+\+\+ b/(.*)$", re.MULTILINE)


@dataclass
class Example:
    """A section of the guide: what it changes, and the commands that show that it works."""

    title: str
    patches: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    check: str = ""

    @property
    def new_test(self) -> str:
        """The one test file that it adds."""
        [name] = filter(is_test, self.files)
        return name

    def put_into(self, copy: Path, *, only_tests: bool) -> None:
        """Change the copy as the section says; fails with its name where that can't be done."""
        for patch in self.patches:
            if only_tests and not all(map(is_test, _CHANGED.findall(patch))):
                continue
            done = run(["git", "apply", "-"], copy, text=patch)
            assert done.returncode == 0, (
                f"docs/extending.md, '{self.title}': a block no longer applies. Make it anew from "
                f"the sources as they are.\n{done.stderr}\n{patch}"
            )
        for name, text in self.files.items():
            if is_test(name) or not only_tests:
                assert not (copy / name).exists(), f"docs/extending.md, '{self.title}': {name}"
                (copy / name).write_text(text, encoding="utf-8")


def is_test(path: str) -> bool:
    return path.startswith("tests/")


def examples() -> Iterator[Example]:
    """The sections that have blocks."""
    for section in GUIDE.read_text(encoding="utf-8").split("\n## ")[1:]:
        example = Example(section.partition("\n")[0])
        for block in _BLOCK.finditer(section):
            language, text = block.groups()
            new = list(_NEW_FILE.finditer(section, 0, block.start()))
            if language == "diff":
                example.patches.append(text)
            elif language == "sh":
                example.check += text
            elif new and new[-1].end() == block.start():
                example.files[new[-1][1]] = text
            else:
                pytest.fail(f"docs/extending.md, '{example.title}': what is this block?\n{text}")
        if example.patches or example.files or example.check:
            yield example


EXAMPLES = list(examples())


def run(
    command: list[str], copy: Path, *, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """`command` in the copy, whose package goes before the installed one."""
    here = {
        "PYTHONPATH": str(copy / "src"),
        "GIT_CEILING_DIRECTORIES": str(copy.parent),  # so that `git apply` sees no repository
        # The checks don't use these, and they take as long to load as all the rest.
        "PYTEST_ADDOPTS": "-p no:schemathesis -p no:hypothesispytest -p no:anyio",
    }
    return subprocess.run(
        command,
        cwd=copy,
        env=os.environ | here,
        input=text,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def copied(to: Path) -> Path:
    """The sources, and `.venv` where the guide's commands look for it."""
    to.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name)
        else:
            shutil.copy2(ROOT / name, to / name)
    (to / ".venv").symlink_to(sys.prefix)
    return to


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_an_example_works(example: Example, tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    example.put_into(copy, only_tests=False)
    done = run(["bash", "-ec", example.check], copy)
    assert done.returncode == 0, f"'{example.title}':\n{done.stdout}\n{done.stderr}"
    lint = run([".venv/bin/ruff", "check", "src", "dags", "tests"], copy)
    assert lint.returncode == 0, f"'{example.title}':\n{lint.stdout}"


def test_without_what_it_changes_an_example_does_not_work(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    for example in EXAMPLES:
        example.put_into(copy, only_tests=True)
    new = {example.title: example.new_test for example in EXAMPLES}
    done = run([sys.executable, "-m", "pytest", "--tb=no", "-rf", *new.values()], copy)
    failed = set(re.findall(r"^FAILED ([^:]+)::", done.stdout, re.MULTILINE))
    assert [title for title, test in new.items() if test not in failed] == [], done.stdout


def test_every_kind_of_extension_has_an_example() -> None:
    kinds = ["A task", "An event type", "A feature", "A feature group", "A metric"]
    assert [example.title for example in EXAMPLES] == [*kinds, "An alert channel"]
    for example in EXAMPLES:
        assert example.new_test in example.check, example.title
        for patch in example.patches:
            kinds = {is_test(name) for name in _CHANGED.findall(patch)}
            assert len(kinds) == 1, f"'{example.title}': a block changes sources and tests"
