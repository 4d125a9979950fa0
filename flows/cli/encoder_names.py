"""The check of --encoder: a wrong name ends every command at once."""

from schemas.errors import UserError
from schemas.settings import Settings


def require_known_encoders(settings: Settings) -> None:
    """Check the encoders that the user named. No encoder is loaded: the registry imports neither torch nor Lance.

    Raises UserError if neither this tonelake nor the lake has one of that name.
    """
    if not settings.has_explicit_encoder:
        return
    from workers.encoders.registry import find_by_name

    for name in settings.encoders:
        try:
            find_by_name(name)
        except UserError:
            if name not in _names_in_lake(settings):
                raise


def _names_in_lake(settings: Settings) -> set[str]:
    """Return the encoders of the lake; some may be trained, or of another tonelake."""
    from lake.catalogue.encoders import list_encoder_versions
    from lake.storage.lake import Lake

    return {version.name for version in list_encoder_versions(Lake.at(settings.lake, settings.s3))}
