"""Whether a store is reachable is checked at the store itself, unless there is a proxy before it."""

import pytest

from lake.storage.lake import require_reachable
from schemas.errors import UserError
from schemas.settings import S3Settings


def test_behind_a_proxy_only_requests_show_whether_a_store_answers(monkeypatch):
    store = S3Settings(endpoint_url="http://127.0.0.1:1")
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="no S3 store answers"):
        require_reachable(store)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    require_reachable(store)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError, match="no S3 store answers"):
        require_reachable(store)
