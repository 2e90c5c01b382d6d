"""What pages have in common.

`common.css` holds the colours for light and dark and the forms that every page has, a report's or
serving's; `parts.html` the macros. A report is one file, without script, other file or network: it
extends `base.html`.
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

__all__ = ["common_css", "template"]


def common_css() -> str:
    """The style that serving's pages begin with, as the reports do."""
    return files(__name__).joinpath("common.css").read_text(encoding="utf-8")


@cache
def template(package: str, name: str, **filters: Callable[[Any], str]) -> Template:
    """The template `name` that lies in `package`; every value in it is escaped.

    Args:
        package: the report's, with its dots.
        name: the file's.
        filters: beside `percent`, which shows a share with one digit.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(__name__, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({"percent": lambda share: f"{share:.1%}"} | filters)
    return environment.get_template(name)
