"""compose.yaml, read by docker-compose itself: what it names is there, and secrets come from .env alone."""

import json
import re

import pytest
import typer
import yaml

from flows.cli.main import app
from tests.infra.files import COMPOSE, EXAMPLE, INFRA, ROOT, SECRET, dockerfile, run, stages, unknown

ADDRESS = re.compile(r"(?<![\w.-])([a-z][a-z0-9-]*):(\d{4,5})(?![\d:])")
LISTENS = {"postgres": {5432}, "ray-head": {6379}, "prometheus": {9090}, "node-exporter": {9100}}  # by default
ASKED = {"TORCH_INDEX", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
ASKED |= {"POSTGRES_PASSWORD", "RAY_AUTH_TOKEN", "GRAFANA_PASSWORD"}


def config(env_file, *arguments):
    return run("docker-compose", "--file", COMPOSE, "--env-file", env_file, *arguments)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The project as docker-compose understands it, with every variable of .env.example filled in."""
    env = tmp_path_factory.mktemp("env") / ".env"
    env.write_text(re.sub(r"=$", "=given", EXAMPLE.read_text(), flags=re.MULTILINE))
    done = config(env, "--profile", "watch", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "not set" not in done.stderr
    return json.loads(done.stdout)


def words(service):
    return [*(service.get("entrypoint") or ()), *(service.get("command") or ())]


def ours(model):
    return {name: one for name, one in model["services"].items() if one["image"].startswith("tonelake")}


def test_it_names_what_is_missing_in_env():
    done = config(EXAMPLE, "--profile", "watch", "config", "--quiet")
    assert done.returncode != 0
    missing = set(re.findall(r"required variable (\w+) is missing a value: set it in infra/\.env", done.stderr))
    assert missing == ASKED


def test_the_example_names_every_variable_and_no_other():
    offered = set(re.findall(r"^#? ?([A-Z_]+)=", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert offered == set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text()))


def test_secrets_come_from_env_and_env_stays_out_of_git_and_of_images():
    raw = yaml.safe_load(COMPOSE.read_text())
    environments = [one.get("environment", {}) for one in [raw["x-tonelake"], *raw["services"].values()]]
    secrets = [(name, value) for names in environments for name, value in names.items() if SECRET.search(name)]
    assert len(secrets) >= 6
    assert not [name for name, value in secrets if not re.fullmatch(r"\$\{[A-Z_]+:\?.*\}", value)]
    assert "/infra/.env" in (ROOT / ".gitignore").read_text().split()
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert [rule for rule in rules if rule.startswith("!infra")] == ["!infra/prefect.yaml"]


def test_images_are_built_here_or_pinned(model):
    built = {one["image"]: one["build"] for one in model["services"].values() if "build" in one}
    assert set(built) == {one["image"] for one in ours(model).values()}
    for build in built.values():
        assert (INFRA.parent / build["dockerfile"]).is_file()
        assert build["args"]["DEVICE"] in stages()
        assert set(build["args"]) <= {rest.split("=")[0] for word, rest in dockerfile() if word == "ARG"}
    others = {one["image"] for one in model["services"].values()} - set(built)
    assert not [image for image in others if not re.fullmatch(r"[\w/-]+:v?\d+[\w.-]*", image)]


def test_every_address_is_a_service_that_listens_there(model):
    def listens(name):
        service = model["services"][name]
        told = json.dumps([words(service), service.get("healthcheck", {}).get("test")])
        own = re.findall(r"127\.0\.0\.1:(\d+)|-port=(\d+)", told)
        return {int(port) for pair in own for port in pair if port} | LISTENS.get(name, set())

    texts = [json.dumps([one.get("environment"), words(one)]) for one in model["services"].values()]
    texts += [one["content"] for one in model["configs"].values()] + [(INFRA / "prometheus.yaml").read_text()]
    found = {pair for text in texts for pair in re.findall(r"(?:@|//|=|\"| )" + ADDRESS.pattern, text)}
    assert {("seaweedfs", "8333"), ("postgres", "5432"), ("prefect", "4200"), ("ray-head", "6379")} <= found
    assert not {(host, port) for host, port in found - {("localhost", "4200")} if int(port) not in listens(host)}
    (ray, _) = yaml.safe_load((INFRA / "prometheus.yaml").read_text())["scrape_configs"]
    (nodes,) = ray["dns_sd_configs"]
    assert set(nodes["names"]) == {name for name, one in ours(model).items() if "ray start" in " ".join(words(one))}
    assert all(nodes["port"] in listens(name) for name in nodes["names"])


def test_every_variable_is_read_by_something(model):
    names = {name for one in ours(model).values() for name in one["environment"]}
    assert {"TONELAKE_LAKE", "RAY_AUTH_TOKEN", "PREFECT_API_URL"} <= names
    assert not unknown(names)


def test_every_command_is_one_that_its_program_takes(model):
    from ray.scripts.scripts import start

    texts = {name: " ".join(words(one)) for name, one in ours(model).items()}
    ray = [text.split("ray start", 1)[1].split("&&")[0].split() for text in texts.values() if "ray start" in text]
    assert len(ray) == 3
    for arguments in ray:
        start.make_context("ray start", arguments)
    parsed = typer.main.get_command(app)
    (asked,) = (found[1] for text in texts.values() if (found := re.search(r"do tonelake (.*?) >", text)))
    arguments = asked.split()
    parsed.commands[arguments[0]].make_context(arguments[0], arguments[1:])
    flags = {word.split("=")[0] for word in words(model["services"]["seaweedfs"])[2:]}
    known = set(re.findall(r"^  (-[\w.]+)", run("weed", "mini", "-h").stderr, flags=re.MULTILINE))
    assert len(flags) == 6
    assert flags <= known


def test_waits_are_for_services_that_say_when_they_are_ready(model):
    waits = [
        (name, other, how["condition"])
        for name, one in model["services"].items()
        for other, how in one.get("depends_on", {}).items()
    ]
    assert len(waits) >= 8
    healthy = {other for _, other, condition in waits if condition == "service_healthy"}
    assert not [other for other in healthy if "healthcheck" not in model["services"][other]]
    assert model["services"]["deployments"]["restart"] == "on-failure"  # or it would never have completed
    worker = model["services"]["prefect-worker"]
    asks = re.search(r"127\.0\.0\.1:(\d+)", json.dumps(worker["healthcheck"]["test"]))
    assert asks[1] == worker["environment"]["PREFECT_WORKER_WEBSERVER_PORT"]
    assert "--with-healthcheck" in " ".join(words(worker))


def test_what_it_mounts_is_there(model):
    for one in model["services"].values():
        for mount in one.get("volumes", ()):
            if mount["type"] == "volume":
                assert mount["source"] in model["volumes"]
            elif mount["target"] != "/music":  # the user's own
                assert (INFRA / mount["source"]).exists()


def test_what_a_flow_renders_and_fetches_is_there_for_the_ray_nodes(model):
    (variables,) = (
        dict(one.split("=") for one in rest.split()) for word, rest in dockerfile() if word == "ENV" and "XDG" in rest
    )
    for name in ("prefect-worker", "ray-worker"):
        shared = {mount["target"] for mount in model["services"][name]["volumes"] if mount["source"] == "models"}
        assert {variables["TONELAKE_MODELS"], variables["XDG_CACHE_HOME"]} == shared


def test_nothing_is_open_to_the_network(model):
    ports = [port for one in model["services"].values() for port in one.get("ports", ())]
    assert len(ports) == 3
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
