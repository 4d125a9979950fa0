"""The settings of a training in a TOML file: `tonelake train --config FILE`."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.training import TrainingConfig

_FIELDS = {"conse_weight": "share"}  # names in a file that are others in TrainingConfig


def read_config(file: Path) -> dict[str, Any]:
    """Return the settings of a file as arguments of TrainingConfig.

    Raises UserError if the file cannot be read, or has a setting of another name or kind.
    """
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"cannot read the settings {file}: {error}") from error
    known = {field.name: type(field.default) for field in fields(TrainingConfig)}
    names = {_FIELDS.get(name, name): name for name in settings if name not in _FIELDS.values()}
    if unknown := sorted(set(settings) - {names[field] for field in names if field in known}):
        listed = sorted(known.keys() - _FIELDS.values() | _FIELDS.keys())
        hint = did_you_mean(unknown[0], listed)
        raise UserError(f"{file}: there is no setting {unknown[0]}; {hint}there are: {', '.join(listed)}")
    return {field: _checked(file, name, settings[name], known[field]) for field, name in names.items()}


def _checked(file: Path, name: str, value: Any, kind: type) -> Any:
    """Return a value of the kind, a whole number where any number will do."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
        raise UserError(f"{file}: {name} takes {words[kind]}, not {value!r}")
    return value
