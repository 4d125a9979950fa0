"""prefect.yaml: entrypoints, parameters, schedules, pools, without a server (tests/flows/ deploys it)."""

import inspect
import re

import pytest
from prefect import Flow
from prefect._internal.schemas.validators import validate_cron_string
from prefect.flows import load_flow_from_entrypoint

from flows import deployments
from tests.infra.files import COMPOSE, INFRA, ROOT, documents

(FILE,) = documents("prefect.yaml")
DEPLOYMENTS = {deployment["name"]: deployment for deployment in FILE["deployments"]}
SCHEDULED = {"refresh", "evaluate", "maintain"}


def flow_name(deployment):
    return deployment["entrypoint"].split(":")[1]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_it_is_a_flow_with_these_parameters(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    deployment = DEPLOYMENTS[name]
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert isinstance(flow, Flow)
    parameters = inspect.signature(flow.fn).parameters
    assert set(deployment["parameters"]) <= set(parameters)
    required = {parameter.name for parameter in parameters.values() if parameter.default is inspect.Parameter.empty}
    if deployment.get("schedules"):
        assert required <= set(deployment["parameters"])
    assert deployment["concurrency_limit"] == 1


def test_every_flow_is_deployed_and_each_nightly_one_has_its_own_time():
    flows = {flow.name for flow in vars(deployments).values() if isinstance(flow, Flow)}
    assert {flow_name(deployment) for deployment in DEPLOYMENTS.values()} == flows
    crons = {
        flow_name(deployment): schedule["cron"]
        for deployment in DEPLOYMENTS.values()
        for schedule in deployment.get("schedules", ())
    }
    assert set(crons) == SCHEDULED
    assert len(set(crons.values())) == len(SCHEDULED)
    for cron in crons.values():
        validate_cron_string(cron)


def test_workers_are_started_for_the_pool_that_it_deploys_to():
    (pool,) = {deployment["work_pool"]["name"] for deployment in DEPLOYMENTS.values()}
    texts = [COMPOSE.read_text(), (INFRA / "kuberay" / "cluster.yaml").read_text()]
    assert [re.findall(r"worker start --pool (\S+)", text)[0].rstrip('"]') for text in texts] == [pool, pool]
    assert re.search(r"work-pool create (\S+)", texts[0])[1] == pool
    assert re.search(r"--prefect-file (\S+)", texts[0])[1] == "infra/prefect.yaml"
