"""The Grafana dashboard: every expression is PromQL over metrics of Ray or tonelake."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import ray
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flows.operations.prometheus import prometheus_text
from schemas.settings import Settings
from tests.flows.released import publish_release
from tests.infra.files import COMPOSE, INFRA
from tests.lake.rows import make_small_lake

DASHBOARD = json.loads((INFRA / "grafana" / "tonelake.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
NODE_EXPORTER = {"node_textfile_mtime_seconds": {"file"}}  # by its textfile collector


def selectors(node):
    """Yield (metric, matched labels) of an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name, {matcher.name for matcher in node.matchers.matchers}
    for name in ("expr", "lhs", "rhs", "vs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from selectors(child)
    for child in getattr(node, "args", ()) or ():
        yield from selectors(child)


@pytest.fixture(scope="module")
def tonelake_metrics(tmp_path_factory):
    """Labels of tonelake's metrics, by metric."""
    lake = make_small_lake(str(tmp_path_factory.mktemp("dashboard") / "lake"))
    publish_release(lake)
    families = text_string_to_metric_families(prometheus_text(Settings(lake=lake.uri)))
    return {family.name: set(family.samples[0].labels) for family in families}


@pytest.fixture(scope="module")
def ray_dashboards():
    """Text of the dashboards that Ray ships: they show which metrics it exports."""
    panels = Path(ray.__file__).parent / "dashboard" / "modules" / "metrics" / "dashboards"
    return "\n".join(path.read_text() for path in panels.glob("*.py"))


@pytest.mark.parametrize(
    ("title", "target"), TARGETS, ids=lambda value: value if isinstance(value, str) else value["refId"]
)
def test_every_expression_reads_metrics_that_are_exported(title, target, tonelake_metrics, ray_dashboards):
    metrics = list(selectors(promql_parser.parse(target["expr"])))
    assert metrics, title
    for metric, labels in metrics:
        known = tonelake_metrics | NODE_EXPORTER
        if metric in known:
            assert labels <= known[metric]
        else:
            assert re.search(rf"\b{metric}\b", ray_dashboards), f"nothing exports {metric}"


def test_every_legend_reads_a_label_of_its_expression(tonelake_metrics):
    for title, target in TARGETS:
        metrics = {metric for metric, _ in selectors(promql_parser.parse(target["expr"]))}
        labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        if metrics <= tonelake_metrics.keys():
            assert labels <= set.union(*(tonelake_metrics[metric] for metric in metrics)), title


def test_every_metric_for_operators_is_shown(tonelake_metrics):
    shown = {metric for _, target in TARGETS for metric, _ in selectors(promql_parser.parse(target["expr"]))}
    assert tonelake_metrics.keys() - shown == {"tonelake_table_rows"}


def test_the_parser_can_refuse():
    with pytest.raises(ValueError, match=r"."):
        promql_parser.parse("sum(tonelake_table_bytes")


def test_panels_do_not_overlap_and_use_the_data_source_of_compose():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    areas = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for area in areas
        for x in range(area["x"], area["x"] + area["w"])
        for y in range(area["y"], area["y"] + area["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    provided = yaml.safe_load(yaml.safe_load(COMPOSE.read_text())["configs"]["grafana-datasource"]["content"])
    uids = {source["uid"] for source in provided["datasources"]}
    assert {target["datasource"]["uid"] for _, target in TARGETS} == uids
