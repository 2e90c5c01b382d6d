"""Where a setting's value may come from, and how a wrong one is told to whoever set it.

The environment goes first, then each layer in turn, then the default.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

Source = Literal["argument", "environment", "Airflow Variable", "Airflow Connection", "default"]

_CREDENTIALS = re.compile(r"(?<=//)\S*@|[^\s,/@'\"]+:(?!//)\S*@")
_REMEDY = "Correct the environment variable and run again."


@dataclass(frozen=True)
class Layer:
    """Values that count where the environment has none.

    Attributes:
        source: what kind of place they come from.
        values: by field name, as they were found.
        places: what people call the place of each value, by field name.
        remedy: what to do about a wrong one, as a sentence.
    """

    source: Source
    values: Mapping[str, str]
    places: Mapping[str, str]
    remedy: str


def chosen(layers: Sequence[Layer], *, besides: Collection[str]) -> dict[str, Layer]:
    """The layer that each field's value is taken from: the first one that has it.

    Args:
        layers: the one that goes first is first.
        besides: fields whose value comes from elsewhere.
    """
    return {
        name: layer for layer in reversed(layers) for name in layer.values if name not in besides
    }


def is_secret(field: FieldInfo) -> bool:
    """Whether the field's value is for nobody's eyes."""
    return SecretStr.__name__ in str(field.annotation)


def explain(
    error: ValidationError, fields: Mapping[str, FieldInfo], taken_from: Mapping[str, Layer]
) -> str:
    """What is wrong with which value, a line each, and what to do; secrets hidden.

    Args:
        error: of the settings' model.
        fields: the model's.
        taken_from: the layer of each value that isn't the environment's.
    """
    lines, remedies = [], []
    for item in error.errors():
        name = str(item["loc"][0])
        layer = taken_from.get(name)
        place = name.upper() if layer is None else layer.places[name]
        secret = name in fields and is_secret(fields[name])
        value = "(hidden)" if secret else repr(item["input"])
        reason = item["msg"].removeprefix("Value error, ")
        # An address may carry a password, and the reason repeats the value.
        lines.append(_CREDENTIALS.sub("(hidden)@", f"{place}={value}: {reason}"))
        remedies.append(_REMEDY if layer is None else layer.remedy)
    return "\n".join([*lines, *dict.fromkeys(remedies)])
