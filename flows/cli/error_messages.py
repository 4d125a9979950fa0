"""How a full disk, a store that is away and a wrong clock look from inside, and the line that says what to do."""

from collections.abc import Iterator

AGAIN = "run the same command again: what was committed is kept"
_FULL = ("No space left on device", "Disk quota exceeded", "os error 28", "os error 122")
_CLOCK = ("RequestTimeTooSkewed", "request time and the server's time")
_KEYS = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"),
    *("status code: 403 Forbidden", "necessary privileges", "valid authentication credentials"),  # as Lance says it
)
_AWAY = ("Generic S3 error", "error sending request", "Could not connect to the endpoint", "Connection was closed")


def told(error: BaseException, endpoint: str | None) -> str | None:
    """One line for a fault of the disk or of the store at `endpoint`; None for any other error."""
    from botocore.exceptions import BotoCoreError

    chain = list(_chain(error))
    said = list(map(str, chain))
    if any(word in text for text in said for word in _FULL):
        return f"the disk is full ({_first(error)}): make room and {AGAIN}"
    store = f"the S3 store at {endpoint}" if endpoint else "the S3 store"
    if any(word in text for text in said for word in _CLOCK):
        return f"{store} refuses this machine's clock: set it (date -u, NTP) and {AGAIN}"
    if any(word in text for text in said for word in _KEYS):
        return f"{store} refuses these keys ({_first(error)}): check the AWS_* variables and {AGAIN}"
    if any(map(_is_away, chain)) or any(word in text for text in said for word in _AWAY):
        return f"{store} does not answer ({_first(error)}): when it is back, {AGAIN}"
    if asked := next((one for one in chain if isinstance(one, BotoCoreError)), None):
        what = " ".join(str(asked).split())  # of a wrong name the second line says which
        return f"{store} cannot be asked ({what[:200]}): check the address and the AWS_* variables"
    return None


def _is_away(error: BaseException) -> bool:
    """Nothing came back, or an answer that tells of the store's own trouble."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    return isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came of."""
    while error is not None:
        yield error
        error = error.__cause__


def _first(error: BaseException) -> str:
    text = str(error).partition(", /home/")[0].splitlines()
    return text[0][:200] if text else type(error).__name__
