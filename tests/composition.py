"""deploy/compose.yaml as Compose reads it: anchors merged, variables filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "deploy" / "compose.yaml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")


def composition(given: Mapping[str, str] = {}) -> dict[str, Any]:
    """The file's content with the variables that are `given`, and the defaults of the others."""

    def fill(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else given.get(match["name"]) or match["default"]

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: filled(value) for name, value in part.items()}
        if isinstance(part, list):
            return [filled(value) for value in part]
        return _VARIABLE.sub(fill, part) if isinstance(part, str) else part

    # Filled in after YAML is read, as Compose does: a value can't change the structure.
    read: dict[str, Any] = filled(yaml.safe_load(COMPOSE.read_text()))
    return read


def ours(services: Mapping[str, Any]) -> dict[str, Any]:
    """The services that run this package's image."""
    return {
        name: service
        for name, service in services.items()
        if service["image"].startswith("movie-recommender:")
    }


def instructions(name: str) -> list[str]:
    """The arguments of each such instruction of the Dockerfile, its lines joined."""
    joined = DOCKERFILE.read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)


def image_environment() -> dict[str, str]:
    """The variables that the image itself has, but for its PATH."""
    pairs = dict(pair.split("=", 1) for pair in instructions("ENV")[-1].split())
    return {name: value for name, value in pairs.items() if name != "PATH"}
