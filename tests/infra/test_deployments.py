"""prefect.yaml without a server: entrypoints, parameters, schedules, pools. tests/flows/ deploys it."""

import inspect
import re

import pytest
from prefect import Flow
from prefect._internal.schemas.validators import validate_cron_string
from prefect.flows import load_flow_from_entrypoint

from flows import deployments as recorded
from tests.infra.files import COMPOSE, INFRA, ROOT, documents

(FILE,) = documents("prefect.yaml")
DEPLOYMENTS = {one["name"]: one for one in FILE["deployments"]}
SCHEDULED = {"refresh", "evaluate", "maintain"}


def flow_of(one):
    return one["entrypoint"].split(":")[1]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_it_is_a_flow_with_these_parameters(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    one = DEPLOYMENTS[name]
    flow = load_flow_from_entrypoint(one["entrypoint"])
    assert isinstance(flow, Flow)
    taken = inspect.signature(flow.fn).parameters
    assert set(one["parameters"]) <= set(taken)
    needed = {each.name for each in taken.values() if each.default is inspect.Parameter.empty}
    if one.get("schedules"):
        assert needed <= set(one["parameters"])
    assert one["concurrency_limit"] == 1


def test_every_flow_is_deployed_and_what_keeps_a_lake_sound_has_a_time_of_its_own():
    flows = {flow.name for flow in vars(recorded).values() if isinstance(flow, Flow)}
    assert {flow_of(one) for one in DEPLOYMENTS.values()} == flows
    crons = {flow_of(one): each["cron"] for one in DEPLOYMENTS.values() for each in one.get("schedules", ())}
    assert set(crons) == SCHEDULED
    assert len(set(crons.values())) == len(SCHEDULED)
    for cron in crons.values():
        validate_cron_string(cron)


def test_workers_are_started_for_the_pool_that_it_deploys_to():
    (pool,) = {one["work_pool"]["name"] for one in DEPLOYMENTS.values()}
    texts = [COMPOSE.read_text(), (INFRA / "kuberay" / "cluster.yaml").read_text()]
    assert [re.findall(r"worker start --pool (\S+)", text)[0].rstrip('"]') for text in texts] == [pool, pool]
    assert re.search(r"work-pool create (\S+)", texts[0])[1] == pool
    assert re.search(r"--prefect-file (\S+)", texts[0])[1] == "infra/prefect.yaml"
