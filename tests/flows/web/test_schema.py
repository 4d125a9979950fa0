"""Requests that the API's description allows, and others: every answer is one that it names, and none a defect."""

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from flows.web.app import create_app
from flows.web.rules import ServeRules
from schemas.settings import Settings
from tests.flows.web.service import API, IDS, listening, make_lake

DOCUMENT = create_app(Settings(lake="nowhere"), ServeRules()).openapi()
OPERATIONS = [
    (path, method, mode)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode == GenerationMode.POSITIVE or operation.get("parameters") or operation.get("requestBody")
]
CHECKS = [not_a_server_error, content_type_conformance, status_code_conformance, response_schema_conformance]
HOSTILE = (
    "\x00",
    "'; DROP TABLE tracks --",
    b"\xed\xa0\x80",
    "<script>",
    "%00",
    "\u0663",
    "a" * 900,
    "-" * 900,
    "1e999",
)
BUDGET = settings(
    max_examples=10,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with listening(make_lake(tmp_path_factory.mktemp("schema"))) as address:
        yield address


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_no_request_is_a_defect(address, path, method, mode):
    strategy = SCHEMA[path][method].as_strategy(generation_mode=mode)

    @BUDGET
    @given(case=strategy)
    def ask(case):
        if mode == GenerationMode.POSITIVE and "track_id" in (case.path_parameters or {}):
            case.path_parameters["track_id"] = IDS[len(str(case.query)) % len(IDS)]
        response = case.call(base_url=address)
        case.validate_response(response, checks=CHECKS)

    ask()


@pytest.mark.parametrize("name", ["text", "like", "where", "genre", "artist", "year", "within", "cursor", "key", "on"])
def test_hostile_values_are_answered(address, name):
    for value in HOSTILE:
        case = SCHEMA[f"{API}/search"]["get"].Case(query={name: value})
        response = case.call(base_url=address)
        assert response.status_code in (200, 400, 404, 422), (name, value, response.text)


@pytest.mark.parametrize(("path", "method"), sorted({(path, method) for path, method, _ in OPERATIONS}))
def test_examples_fit_the_description(path, method):
    answer = DOCUMENT["paths"][path][method]["responses"]["200"]["content"].get("application/json", {})
    if "example" in answer:
        schema = answer.get("schema", {}) | {"components": DOCUMENT["components"]}
        jsonschema_rs.validate(schema, answer["example"])
