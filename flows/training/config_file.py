"""The settings of a training in a TOML file: `tonelake train --config FILE`."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.training import TrainingConfig

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    tuple: "a list of texts",
}


def read_config(file: Path) -> dict[str, Any]:
    """Return the settings of a file as arguments of TrainingConfig.

    Raises UserError if the file cannot be read, or has a setting of another name or kind.
    """
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the settings {file}: {error}") from error
    known = {field.name: type(field.default) for field in fields(TrainingConfig)}
    if unknown := sorted(settings.keys() - known.keys()):
        hint = did_you_mean(unknown[0], sorted(known))
        raise UserError(f"{file}: there is no setting {unknown[0]}; {hint}there are: {', '.join(sorted(known))}")
    return {name: _checked(file, name, value, known[name]) for name, value in settings.items()}


def _checked(file: Path, name: str, value: Any, kind: type) -> Any:
    """Return a value of the kind.

    A whole number will do for any number; a list of texts becomes a tuple. Raises UserError for others.
    """
    if kind is tuple and type(value) is list and all(type(item) is str for item in value):
        return tuple(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UserError(f"{file}: {name} takes {_KINDS[kind]}, not {value!r}")
    return value
