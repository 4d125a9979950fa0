"""What the service permits: where it listens, who may ask, and how much at once."""

import ipaddress
from dataclasses import dataclass

from pydantic import SecretStr

from schemas.errors import UserError

PORT = 8765
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
MIN_TOKEN_LENGTH = 16


@dataclass(frozen=True, slots=True)
class ServeRules:
    """The rules of one service.

    `names` are the Host names by which it may be called besides those of this machine. A service with a `token` asks
    everybody for it. `queries_at_once` are answered or wait; more are refused. `where_chars` is the longest `where`,
    `where_seconds` the longest time that a query with one may take. Raises UserError if others could reach a service
    that asks for no token.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    token: SecretStr | None = None
    names: tuple[str, ...] = ()
    queries_at_once: int = 32
    embeddings_at_once: int = 2
    where_chars: int = 2000
    where_seconds: float = 10.0
    body_bytes: int = 8 << 20
    upload_bytes: int = 65 << 20  # 64 MB of audio, and the form around it

    def __post_init__(self) -> None:
        if self.is_remote and self.token is None:
            raise UserError(
                "a service that others can reach needs a token: set TONELAKE_TOKEN to a long random text, such as "
                "what `openssl rand -hex 32` prints, or leave out --host and --name"
            )
        if self.token is not None and len(self.token.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise UserError(f"TONELAKE_TOKEN is too short: give at least {MIN_TOKEN_LENGTH} random characters")

    @property
    def is_remote(self) -> bool:
        """Whether others than this machine's users may ask: such answers contain no local path."""
        return bool(self.names) or not is_loopback(self.host)

    @property
    def host_names(self) -> tuple[str, ...]:
        """All Host names by which the service may be called."""
        bound = () if self.host in ("0.0.0.0", "::") else (f"[{self.host}]" if ":" in self.host else self.host,)
        return tuple(dict.fromkeys((*LOCAL_NAMES, *bound, *self.names)))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
