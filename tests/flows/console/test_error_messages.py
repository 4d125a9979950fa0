"""The command line gives advice that fits the error."""

import re

import pytest
from botocore import exceptions as boto

from flows.console.error_messages import error_message

STORE = "http://store:8333"


def client_error(code, status):
    return boto.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        (OSError(28, "No space left on device", "/x"), r"the disk is full \(.*'/x'\)"),
        (caused(PermissionError("Access Denied"), client_error("AccessDenied", 403)), "refuses these keys"),
        (OSError("LanceError(IO): The operation lacked the necessary privileges to complete"), "refuses these keys"),
        (OSError("Server returned non-2xx status code: 403 Forbidden: "), "refuses these keys"),
        (client_error("RequestTimeTooSkewed", 403), "refuses this machine's clock"),
        (caused(OSError("busy"), client_error("SlowDown", 503)), "does not answer"),
        (boto.EndpointConnectionError(endpoint_url=STORE), "does not answer"),
        (boto.ReadTimeoutError(endpoint_url=STORE), "does not answer"),
        (OSError("LanceError(IO): Generic S3 error: Error performing list request"), "does not answer"),
        (
            boto.NoCredentialsError(),
            r"cannot be asked \(Unable to locate credentials\): check the address",
        ),
        (boto.ProfileNotFound(profile="mine"), "cannot be asked .*mine"),
        (boto.ParamValidationError(report='Invalid bucket name "B B"'), 'cannot be asked .*Invalid bucket name "B B"'),
    ],
)
def test_errors_of_disk_and_store_give_advice(error, pattern):
    assert re.search(pattern, error_message(error, STORE) or "nothing")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        OSError("Client error '403 Forbidden' for url 'http://prefect:4200/api/flows/'"),
        caused(FileNotFoundError("s3://bucket/a.wav"), client_error("NoSuchKey", 404)),
    ],
)
def test_other_errors_give_none(error):
    assert error_message(error, STORE) is None
