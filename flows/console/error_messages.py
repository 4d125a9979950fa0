"""Advice for a full disk, an unreachable S3 store, refused keys or a wrong clock."""

from collections.abc import Iterator

AGAIN = "run the same command again: what was committed is kept"
_DISK_FULL = ("No space left on device", "Disk quota exceeded", "os error 28", "os error 122")
_CLOCK_SKEW = ("RequestTimeTooSkewed", "request time and the server's time")
_ACCESS_DENIED = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"),
    *("status code: 403 Forbidden", "necessary privileges", "valid authentication credentials"),  # Lance's words
)
_NO_ANSWER = (
    *("Generic S3 error", "error sending request"),
    *("Could not connect to the endpoint", "Connection was closed"),
)


def error_message(error: BaseException, endpoint: str | None) -> str | None:
    """Return one line of advice for an error of the disk or the S3 store.

    `endpoint` is the store's address. Returns None for any other error.
    """
    from botocore.exceptions import BotoCoreError

    causes = list(_causes(error))
    store = f"the S3 store at {endpoint}" if endpoint else "the S3 store"
    if _mentions(causes, _DISK_FULL):
        return f"the disk is full ({_first_line(error)}): make room and {AGAIN}"
    if _mentions(causes, _CLOCK_SKEW):
        return f"{store} refuses this machine's clock: set it (date -u, NTP) and {AGAIN}"
    if _mentions(causes, _ACCESS_DENIED):
        return f"{store} refuses these keys ({_first_line(error)}): check the AWS_* variables and {AGAIN}"
    if any(map(_is_unanswered, causes)) or _mentions(causes, _NO_ANSWER):
        return f"{store} does not answer ({_first_line(error)}): when it is back, {AGAIN}"
    for cause in causes:
        if isinstance(cause, BotoCoreError):
            text = " ".join(str(cause).split())  # the second line of the error names a wrong parameter
            return f"{store} cannot be asked ({text[:200]}): check the address and the AWS_* variables"
    return None


def _mentions(errors: list[BaseException], phrases: tuple[str, ...]) -> bool:
    return any(phrase in str(error) for error in errors for phrase in phrases)


def _is_unanswered(error: BaseException) -> bool:
    """Return whether the store gave no answer, or an error of its own (5xx)."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    return isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its chain of causes."""
    while error is not None:
        yield error
        error = error.__cause__


def _first_line(error: BaseException) -> str:
    lines = str(error).partition(", /home/")[0].splitlines()
    return lines[0][:200] if lines else type(error).__name__
