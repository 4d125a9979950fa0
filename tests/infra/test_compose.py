"""compose.yaml, read by docker-compose: all that it refers to exists, and secrets come from .env alone."""

import json
import re

import pytest
import typer
import yaml

from flows.cli.main import app
from tests.infra.files import COMPOSE, EXAMPLE, INFRA, ROOT, SECRET, dockerfile, run, stages, unknown_variables

ADDRESS = re.compile(r"(?<![\w.-])([a-z][a-z0-9-]*):(\d{4,5})(?![\d:])")
DEFAULT_PORTS = {"postgres": {5432}, "ray-head": {6379}, "prometheus": {9090}, "node-exporter": {9100}}
REQUIRED = {"TORCH_INDEX", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
REQUIRED |= {"POSTGRES_PASSWORD", "RAY_AUTH_TOKEN", "GRAFANA_PASSWORD", "TONELAKE_TOKEN"}


def config(env_file, *arguments):
    return run("docker-compose", "--file", COMPOSE, "--env-file", env_file, *arguments)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The project as docker-compose reads it, with every variable of .env.example filled in."""
    env = tmp_path_factory.mktemp("env") / ".env"
    env.write_text(re.sub(r"=$", "=given", EXAMPLE.read_text(), flags=re.MULTILINE))
    result = config(env, "--profile", "watch", "config", "--format", "json")
    assert result.returncode == 0, result.stderr
    assert "not set" not in result.stderr
    return json.loads(result.stdout)


def words(service):
    return [*(service.get("entrypoint") or ()), *(service.get("command") or ())]


def tonelake_services(model):
    return {name: service for name, service in model["services"].items() if service["image"].startswith("tonelake")}


def test_it_names_the_variables_missing_in_env():
    result = config(EXAMPLE, "--profile", "watch", "config", "--quiet")
    assert result.returncode != 0
    missing = set(re.findall(r"required variable (\w+) is missing a value: set it in infra/\.env", result.stderr))
    assert missing == REQUIRED


def test_the_example_names_every_variable_and_no_other():
    offered = set(re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert offered == set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text()))


def test_secrets_come_from_env_and_env_stays_out_of_git_and_of_images():
    raw = yaml.safe_load(COMPOSE.read_text())
    environments = [service.get("environment", {}) for service in [raw["x-tonelake"], *raw["services"].values()]]
    secrets = [(name, value) for names in environments for name, value in names.items() if SECRET.search(name)]
    assert len(secrets) >= 6
    assert not [name for name, value in secrets if not re.fullmatch(r"\$\{[A-Z_]+:\?.*\}", value)]
    assert "/infra/.env" in (ROOT / ".gitignore").read_text().split()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert [rule for rule in rules if rule.startswith("!infra")] == ["!infra/prefect.yaml"]


def test_images_are_built_here_or_pinned(model):
    built = {service["image"]: service["build"] for service in model["services"].values() if "build" in service}
    assert set(built) == {service["image"] for service in tonelake_services(model).values()}
    for build in built.values():
        assert (INFRA.parent / build["dockerfile"]).is_file()
        assert build["args"]["DEVICE"] in stages()
        assert set(build["args"]) <= {rest.split("=")[0] for word, rest in dockerfile() if word == "ARG"}
    others = {service["image"] for service in model["services"].values()} - set(built)
    assert not [image for image in others if not re.fullmatch(r"[\w/-]+:v?\d+[\w.-]*", image)]


def test_every_address_is_a_service_that_listens_there(model):
    def listens(name):
        service = model["services"][name]
        text = json.dumps([words(service), service.get("healthcheck", {}).get("test")])
        ports = re.findall(r"127\.0\.0\.1:(\d+)|-port=(\d+)", text)
        return {int(port) for pair in ports for port in pair if port} | DEFAULT_PORTS.get(name, set())

    texts = [json.dumps([service.get("environment"), words(service)]) for service in model["services"].values()]
    texts += [config["content"] for config in model["configs"].values()] + [(INFRA / "prometheus.yaml").read_text()]
    addresses = {pair for text in texts for pair in re.findall(r"(?:@|//|=|\"| )" + ADDRESS.pattern, text)}
    assert {("seaweedfs", "8333"), ("postgres", "5432"), ("prefect", "4200"), ("ray-head", "6379")} <= addresses
    assert not {(host, port) for host, port in addresses - {("localhost", "4200")} if int(port) not in listens(host)}
    (ray, _) = yaml.safe_load((INFRA / "prometheus.yaml").read_text())["scrape_configs"]
    (nodes,) = ray["dns_sd_configs"]
    assert set(nodes["names"]) == {
        name for name, service in tonelake_services(model).items() if "ray start" in " ".join(words(service))
    }
    assert all(nodes["port"] in listens(name) for name in nodes["names"])


def test_every_variable_is_read_by_something(model):
    names = {name for service in tonelake_services(model).values() for name in service["environment"]}
    assert {"TONELAKE_LAKE", "RAY_AUTH_TOKEN", "PREFECT_API_URL"} <= names
    assert not unknown_variables(names)


def test_the_service_shows_the_live_release_and_asks_for_a_token(model):
    variables = model["services"]["serve"]["environment"]
    assert "TONELAKE_TOKEN" in variables
    assert "TONELAKE_ENCODER" not in variables  # with it, unpublished rows would be read


def test_programs_accept_their_commands(model):
    from ray.scripts.scripts import start

    texts = {name: " ".join(words(service)) for name, service in tonelake_services(model).items()}
    ray = [text.split("ray start", 1)[1].split("&&")[0].split() for text in texts.values() if "ray start" in text]
    assert len(ray) == 3
    for arguments in ray:
        start.make_context("ray start", arguments)
    parsed = typer.main.get_command(app)
    (command,) = (match[1] for text in texts.values() if (match := re.search(r"do tonelake (.*?) >", text)))
    arguments = command.split()
    parsed.commands[arguments[0]].make_context(arguments[0], arguments[1:])
    name, *arguments = model["services"]["serve"]["command"]
    parsed.commands[name].make_context(name, arguments)
    flags = {word.split("=")[0] for word in words(model["services"]["seaweedfs"])[2:]}
    known = set(re.findall(r"^  (-[\w.]+)", run("weed", "mini", "-h").stderr, flags=re.MULTILINE))
    assert len(flags) == 6
    assert flags <= known


def test_services_wait_only_for_services_with_a_health_check(model):
    waits = [
        (name, other, condition["condition"])
        for name, service in model["services"].items()
        for other, condition in service.get("depends_on", {}).items()
    ]
    assert len(waits) >= 8
    healthy = {other for _, other, condition in waits if condition == "service_healthy"}
    assert not [other for other in healthy if "healthcheck" not in model["services"][other]]
    assert model["services"]["deployments"]["restart"] == "on-failure"  # or it would never have completed
    worker = model["services"]["prefect-worker"]
    port = re.search(r"127\.0\.0\.1:(\d+)", json.dumps(worker["healthcheck"]["test"]))
    assert port[1] == worker["environment"]["PREFECT_WORKER_WEBSERVER_PORT"]
    assert "--with-healthcheck" in " ".join(words(worker))


def test_all_mounted_files_exist(model):
    for service in model["services"].values():
        for mount in service.get("volumes", ()):
            if mount["type"] == "volume":
                assert mount["source"] in model["volumes"]
            elif mount["target"] != "/music":  # the user's own
                assert (INFRA / mount["source"]).exists()


def test_flows_and_ray_nodes_share_rendered_and_fetched_files(model):
    (variables,) = (
        dict(pair.split("=") for pair in rest.split())
        for word, rest in dockerfile()
        if word == "ENV" and "XDG" in rest
    )
    for name in ("prefect-worker", "ray-worker"):
        shared = {mount["target"] for mount in model["services"][name]["volumes"] if mount["source"] == "models"}
        assert {variables["TONELAKE_MODELS"], variables["XDG_CACHE_HOME"]} == shared


def test_nothing_is_open_to_the_network(model):
    ports = [port for service in model["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
