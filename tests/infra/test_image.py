"""The Dockerfile, by hadolint and by what it copies."""

import tomllib
from pathlib import Path

from tests.infra.files import INFRA, ROOT, dockerfile, run, stages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def copied() -> set[str]:
    return {source for word, rest in dockerfile() if word == "COPY" for source in rest.split()[:-1]}


def test_hadolint_finds_nothing(tmp_path):
    done = run("hadolint", INFRA / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n")
    assert run("hadolint", tmp_path / "Dockerfile").returncode == 1


def test_what_it_copies_is_there_and_passes_dockerignore():
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert not [source for source in copied() if not (ROOT / source).exists()]
    assert {f"!{source}" for source in copied()} == {rule for rule in rules if rule.startswith("!")}


def test_it_holds_all_packages_and_what_their_build_reads():
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) | {"pyproject.toml", PROJECT["project"]["readme"], "constraints.txt"} <= copied()


def test_it_builds_for_cpus_and_for_gpus_with_pinned_packages():
    assert stages() == {"cpu", "gpu"}
    installs = [rest for word, rest in dockerfile() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 3
    assert all("-c constraints.txt" in one for one in installs)
    (base, *_) = (rest for word, rest in dockerfile() if word == "FROM")
    assert base.split()[0].count(":") == 1
    assert not base.split()[0].endswith(":latest")


def test_it_runs_the_command_and_not_as_root():
    last = dict(dockerfile())  # of each word the last
    assert last["ENTRYPOINT"] == '["tonelake"]'
    assert "tonelake" in PROJECT["project"]["scripts"]
    assert last["USER"].isdigit()
    assert int(last["USER"]) > 0


def test_the_extras_it_installs_are_ours():
    (install,) = (rest for word, rest in dockerfile() if word == "RUN" and "--editable" in rest)
    extras = install.split(".[")[1].split("]")[0].split(",")
    assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])
    assert Path(install.split("-c ")[1].split()[0]).name == "constraints.txt"
