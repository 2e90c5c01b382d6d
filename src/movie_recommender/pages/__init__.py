"""What the HTML reports have in common: each is one file, without script, other file or network.

`base.html` holds the head, the colours for light and dark and the forms that every report has;
`parts.html` the macros. A report extends the one and imports the other.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

__all__ = ["template"]


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
