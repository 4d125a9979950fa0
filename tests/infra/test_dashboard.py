"""The Grafana dashboard: every expression is PromQL, over metrics that Ray exports or tonelake does."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import ray
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flows.operations.prometheus import exposition
from schemas.settings import Settings
from tests.flows.released import released
from tests.infra.files import COMPOSE, INFRA
from tests.lake.rows import small_lake

DASHBOARD = json.loads((INFRA / "grafana" / "tonelake.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
NODE_EXPORTER = {"node_textfile_mtime_seconds": {"file"}}  # by its textfile collector


def selectors(node):
    """The (metric, labels matched) of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {matcher.name for matcher in node.matchers.matchers}
    for name in ("expr", "lhs", "rhs", "vs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from selectors(child)
    for child in getattr(node, "args", ()) or ():
        yield from selectors(child)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """tonelake's metrics and their labels."""
    home = small_lake(str(tmp_path_factory.mktemp("dashboard") / "lake"))
    released(home)
    families = text_string_to_metric_families(exposition(Settings(lake=home.uri)))
    return {family.name: set(family.samples[0].labels) for family in families}


@pytest.fixture(scope="module")
def of_ray():
    """The text of the dashboards that Ray ships: its word for what it exports."""
    panels = Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards"
    return "\n".join(path.read_text() for path in panels.glob("*.py"))


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=lambda one: one if isinstance(one, str) else one["refId"])
def test_every_expression_reads_metrics_that_are_exported(title, target, ours, of_ray):
    found = list(selectors(promql_parser.parse(target["expr"])))
    assert found, title
    for metric, labels in found:
        known = ours | NODE_EXPORTER
        if metric in known:
            assert labels <= known[metric]
        else:
            assert re.search(rf"\b{metric}\b", of_ray), f"nobody exports {metric}"


def test_every_legend_reads_a_label_of_its_expression(ours):
    for title, target in TARGETS:
        metrics = {metric for metric, _ in selectors(promql_parser.parse(target["expr"]))}
        labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        if metrics <= ours.keys():
            assert labels <= set.union(*(ours[metric] for metric in metrics)), title


def test_what_an_operator_watches_is_shown(ours):
    shown = {metric for _, target in TARGETS for metric, _ in selectors(promql_parser.parse(target["expr"]))}
    assert ours.keys() - shown == {"tonelake_table_rows"}


def test_the_parser_can_refuse():
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse("sum(tonelake_table_bytes")


def test_panels_have_their_own_place_and_the_source_that_compose_provides():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    provided = yaml.safe_load(yaml.safe_load(COMPOSE.read_text())["configs"]["grafana-datasource"]["content"])
    uids = {source["uid"] for source in provided["datasources"]}
    assert {target["datasource"]["uid"] for _, target in TARGETS} == uids
