"""The KubeRay files: pods fit Kubernetes's own schema, and every reference between parts is valid."""

import asyncio
import ipaddress
import re
import shlex

import kubernetes_validate
import pytest
import typer
import yaml
from pydantic import SecretStr
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from flows.cli.main import app
from flows.cli.options import GlobalOptions
from flows.cli.parser import store_options
from flows.web.guards import OPEN_PATHS
from flows.web.rules import ServeRules
from tests.infra.files import INFRA, ROOT, SECRET, documents, stages, unknown_variables
from workers.encoders.registry import ENCODERS

KUBERNETES = "1.34"
EXAMPLES = [ipaddress.ip_network(name) for name in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]  # RFC 5737
SPOT = {"cloud.google.com/gke-spot", "eks.amazonaws.com/capacityType", "kubernetes.azure.com/scalesetpriority"}
# KubeRay's fields, by its API reference; its schema comes only with the operator.
GROUP = {"rayStartParams", "template"}
WORKERS = GROUP | {"groupName", "replicas", "minReplicas", "maxReplicas"}
CLUSTER = {"rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions"}
CLUSTER |= {"headGroupSpec", "workerGroupSpecs"}
JOB = {"clusterSelector", "submissionMode", "entrypoint", "runtimeEnvYAML", "submitterPodTemplate"}

account, settings, cluster = documents("kuberay/cluster.yaml")
(job,) = documents("kuberay/backfill.yaml")
head = cluster["spec"]["headGroupSpec"]
groups = {group["groupName"]: group for group in cluster["spec"]["workerGroupSpecs"]}
deployment, service = documents("kuberay/serve.yaml")
templates = {"head": head["template"], "job": job["spec"]["submitterPodTemplate"]}
templates |= {name: group["template"] for name, group in groups.items()} | {"serve": deployment["spec"]["template"]}


def container(template):
    (only,) = template["spec"]["containers"]
    return only


def limit(name, resource):
    return int(container(templates[name])["resources"]["limits"].get(resource, 0))


def variables(name):
    """Return what a pod sets itself; what comes from the ConfigMap or the Secret is not among it."""
    given = container(templates[name]).get("env", ())
    return {variable["name"]: variable["value"] for variable in given if "value" in variable}


@pytest.mark.parametrize("document", [account, settings, deployment, service], ids=lambda it: it["kind"])
def test_plain_objects_fit_kubernetes_schema(document):
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", templates)
def test_pods_fit_kubernetes_schema(name):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"} | templates[name].get("metadata", {})}
    kubernetes_validate.validate(pod | {"spec": templates[name]["spec"]}, KUBERNETES, strict=True)


def test_the_schema_can_refuse():
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**account, "serviceAccount": "x"}, KUBERNETES, strict=True)


def test_the_fields_are_kuberays():
    assert {document["apiVersion"] for document in (cluster, job)} == {"ray.io/v1"}
    assert (cluster["kind"], job["kind"]) == ("RayCluster", "RayJob")
    assert set(cluster["spec"]) <= CLUSTER
    assert set(job["spec"]) <= JOB
    assert set(head) == GROUP
    assert {frozenset(group) for group in groups.values()} == {frozenset(WORKERS)}
    for group in (head, *groups.values()):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    for group in groups.values():
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}


def test_ray_is_the_version_that_the_image_installs():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    assert cluster["spec"]["rayVersion"] == pins["ray"]


def test_pods_refer_only_to_what_exists():
    secret = re.search(r"kubectl create secret generic (\S+)", (INFRA / "kuberay/cluster.yaml").read_text())
    for template in templates.values():
        spec, only = template["spec"], container(template)
        assert spec["serviceAccountName"] == account["metadata"]["name"]
        assert only["image"] in {f"tonelake:{stage}" for stage in stages()}
        assert {mount["name"] for mount in only.get("volumeMounts", ())} <= {
            volume["name"] for volume in spec.get("volumes", ())
        }
        for source in only.get("envFrom", ()):
            assert source in (
                {"configMapRef": {"name": settings["metadata"]["name"]}},
                {"secretRef": {"name": secret[1]}},
            )


def test_no_file_holds_a_secret_and_every_variable_is_read():
    names = [*settings["data"], *(name for template in templates for name in variables(template))]
    names += yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    assert not [name for name in names if SECRET.search(name)]
    assert not unknown_variables(set(names))


@pytest.mark.parametrize("name", templates)
def test_pods_are_bounded_and_not_root(name):
    assert templates[name]["spec"]["securityContext"]["runAsNonRoot"] is True
    resources = container(templates[name])["resources"]
    assert {"cpu", "memory"} <= set(resources["limits"])
    assert set(resources["requests"]) == set(resources["limits"])


@pytest.mark.parametrize("name", ["head", "flows"])
def test_head_and_flows_compute_nothing_and_are_not_on_spot(name):
    group = head if name == "head" else groups[name]
    assert group["rayStartParams"]["num-cpus"] == "0"
    assert not limit(name, "nvidia.com/gpu")
    spec = templates[name]["spec"]
    assert not spec.get("nodeSelector")
    assert not spec.get("tolerations")


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_spot_groups_start_at_zero_tolerate_their_taints_and_end_in_time(name):
    assert cluster["spec"]["enableInTreeAutoscaling"] is True
    assert groups[name]["minReplicas"] == 0 < groups[name]["maxReplicas"]
    spec = templates[name]["spec"]
    (spot,) = SPOT & set(spec["nodeSelector"])
    assert spot in {toleration["key"] for toleration in spec["tolerations"]}
    assert ("nvidia.com/gpu" in {toleration["key"] for toleration in spec["tolerations"]}) is (
        limit(name, "nvidia.com/gpu") > 0
    )
    stop = shlex.split(container(templates[name])["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert stop[:2] == ["ray", "stop"]
    assert int(stop[-1]) < spec["terminationGracePeriodSeconds"] < 30


def test_runs_request_no_more_than_the_largest_groups():
    most = {name: group["maxReplicas"] for name, group in groups.items()}
    variables_of_job = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]
    assert int(variables_of_job["TONELAKE_GPUS"]) == most["gpu"] * limit("gpu", "nvidia.com/gpu")
    assert int(variables_of_job["TONELAKE_CPUS"]) == most["gpu"] * limit("gpu", "cpu")
    assert int(variables("flows")["TONELAKE_CPUS"]) == most["cpu"] * limit("cpu", "cpu")


def test_commands_start_ray_as_kuberay_would_and_the_job_runs_tonelake():
    assert cluster["metadata"]["annotations"]["ray.io/overwrite-container-cmd"] == "true"
    for name in ("head", *groups):
        (script,) = container(templates[name])["args"]
        assert "$KUBERAY_GEN_RAY_START_CMD" in script
    program, *arguments = shlex.split(job["spec"]["entrypoint"])
    command = typer.main.get_command(app)
    context = command.make_context(program, arguments)
    store_options(context, GlobalOptions(None, context.params["encoder"], False, False, False))
    name, subcommand, rest = command.resolve_command(context, context._protected_args + context.args)
    subcommand.make_context(name, rest, parent=context)
    assert name == "index"
    encoder = ENCODERS[context.params["encoder"]]
    assert encoder.on_gpu
    assert not encoder.unpinned


def test_the_service_has_probes_that_its_host_names_let_in():
    only = container(templates["serve"])
    name, *arguments = only["args"]
    options = typer.main.get_command(app).commands[name].make_context(name, arguments).params
    token = SecretStr("x" * 32)
    rules = ServeRules(options["host"], options["port"], token, tuple(options["name"]))
    ports = {port["name"]: port["containerPort"] for port in only["ports"]}
    assert ports == {"http": options["port"]}
    for probe, path in {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}.items():
        request = only[probe]["httpGet"]
        (header,) = request["httpHeaders"]
        assert (request["path"], request["port"], header["name"]) == (path, "http", "Host")
        assert header["value"] in rules.host_names
        assert path in OPEN_PATHS
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= templates["serve"]["metadata"]["labels"].items()


def test_only_the_ingress_says_who_asks():
    trusted = variables("serve")["FORWARDED_ALLOW_IPS"]
    network = ipaddress.ip_network(trusted)
    assert any(network.subnet_of(example) for example in EXAMPLES)  # a person has to set it
    assert trusted in (ROOT / "docs/serve.md").read_text()
    seen = []

    async def app(scope, *_):
        seen.append(scope["client"][0])

    hops = [(b"x-forwarded-for", b"198.51.100.1, 203.0.113.9")]  # a stranger wrote the first one
    for asks_from in (str(network[1]), "10.0.0.1"):
        scope = {"type": "http", "client": (asks_from, 1), "headers": hops, "scheme": "http"}
        asyncio.run(ProxyHeadersMiddleware(app, trusted)(scope, None, None))
    assert seen == ["203.0.113.9", "10.0.0.1"]


def test_the_service_reads_the_live_release_with_the_keys_of_the_cluster():
    secret = re.search(r"kubectl create secret generic (\S+)", (INFRA / "kuberay/cluster.yaml").read_text())[1]
    sources = {
        variable["name"]: variable["valueFrom"]
        for variable in container(templates["serve"])["env"]
        if "valueFrom" in variable
    }
    assert "TONELAKE_ENCODER" not in sources  # with it, unpublished rows would be read
    assert "TONELAKE_TOKEN" in sources
    for name, source in sources.items():
        (reference,) = source.values()
        assert reference["key"] == name
        if "configMapKeyRef" in source:
            assert reference["name"] == settings["metadata"]["name"]
            assert name in settings["data"]
        else:
            assert reference["name"] == secret
