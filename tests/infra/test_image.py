"""The Dockerfile: hadolint finds nothing, and all files that it copies exist."""

import tomllib
from pathlib import Path

from tests.infra.files import INFRA, ROOT, dockerfile, run, stages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def copied_files() -> set[str]:
    return {source for word, rest in dockerfile() if word == "COPY" for source in rest.split()[:-1]}


def test_hadolint_finds_nothing(tmp_path):
    result = run("hadolint", INFRA / "Dockerfile")
    assert (result.returncode, result.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n")
    assert run("hadolint", tmp_path / "Dockerfile").returncode == 1


def test_copied_files_exist_and_pass_dockerignore():
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert not [source for source in copied_files() if not (ROOT / source).exists()]
    assert {f"!{source}" for source in copied_files()} == {rule for rule in rules if rule.startswith("!")}


def test_it_holds_all_packages_and_what_their_build_reads():
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) | {"pyproject.toml", PROJECT["project"]["readme"], "constraints.txt"} <= copied_files()


def test_it_builds_for_cpus_and_for_gpus_with_pinned_packages():
    assert stages() == {"cpu", "gpu"}
    installs = [rest for word, rest in dockerfile() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 3
    assert all("-c constraints.txt" in install for install in installs)
    (base, *_) = (rest for word, rest in dockerfile() if word == "FROM")
    assert base.split()[0].count(":") == 1
    assert not base.split()[0].endswith(":latest")


def test_it_runs_the_command_and_not_as_root():
    last = dict(dockerfile())  # the last instruction of each kind
    assert last["ENTRYPOINT"] == '["tonelake"]'
    assert "tonelake" in PROJECT["project"]["scripts"]
    assert last["USER"].isdigit()
    assert int(last["USER"]) > 0


def test_the_installed_extras_exist():
    (install,) = (rest for word, rest in dockerfile() if word == "RUN" and "--editable" in rest)
    extras = install.split(".[")[1].split("]")[0].split(",")
    assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])
    assert Path(install.split("-c ")[1].split()[0]).name == "constraints.txt"
