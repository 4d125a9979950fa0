"""How commands are typed: global options, repeated options, wrong usage, exit codes."""

import json
import os
import subprocess
import sys
from itertools import chain
from unittest.mock import patch

import pytest
import typer

from flows.cli.main import app
from tests.cli import COMMAND, environment, error_line, run_here
from tests.lake.rows import SPEC, make_small_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return make_small_lake(str(tmp_path_factory.mktemp("usage") / "lake"), commits=1, tracks=20).uri


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lake", "{lake}", "--encoder", SPEC.name, "--json", "status"),
        ("status", "--lake", "{lake}", "--encoder", SPEC.name, "--json"),
        ("--lake={lake}", "status", "--json", "--allow-unpinned", "-v"),
        ("--json", "status", "--lake={lake}", "--json"),
    ],
)
def test_global_options_stand_before_or_after_the_command(lake, arguments):
    typed = [argument.format(lake=lake) for argument in arguments]
    assert json.loads(run_here(*typed).stdout)["encoders"][0]["embedded"] == 20


def test_global_options_stand_after_a_command_of_a_group(lake):
    for arguments in (["sources", "list", "--lake", lake, "--json"], ["sources", "--lake", lake, "list", "--json"]):
        assert json.loads(run_here(*arguments).stdout) == []
    assert json.loads(run_here("benchmarks", "--json").stdout)


def test_help_of_a_command_lists_the_global_options():
    text = run_here("search", "--help").stdout
    assert text.index("Global options") < text.index("--lake")
    assert "--version" not in text


def test_an_option_after_the_command_wins_over_the_environment(lake):
    for settings in ({"TONELAKE_LAKE": "/nowhere"}, {"TONELAKE_LAKE": "/nowhere", "TONELAKE_ENCODER": "nosuch"}):
        run_here("status", "--lake", lake, "--encoder", SPEC.name, **settings)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("search", "--artist", "a", "--artist", "b"), "--artist"),
        (("search", "--where", "year > 1", "--where=year < 9"), "--where"),
        (("search", "--year", "1990", "--year", "1991"), "--year"),
        (("search", "x", "-k", "1", "-k2"), "-k"),
        (("--lake", "a", "--lake", "b", "status"), "--lake"),
        (("--lake", "a", "status", "--lake", "b"), "--lake"),
        (("status", "--lake", "a", "--lake", "b"), "--lake"),
        (("sources", "--lake", "a", "list", "--lake", "b"), "--lake"),
        (("--encoder", "fake", "evaluate", "rendered", "--encoder", "musicnn"), "--encoder"),
        (("--encoder", "fake", "train", "--data", "m", "--out", "o", "--encoder", "musicnn"), "--encoder"),
        (("export", "d", "--format", "npy", "--format", "lance"), "--format"),
    ],
)
def test_an_option_of_one_value_is_refused_twice(arguments, option):
    assert f"{option} takes one value and is given twice" in error_line(*arguments)


def commands_of(command, path=()):
    """Yield the name and the object of every command below a group, in the parser's own tree."""
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from commands_of(child, (*path, name))


ROOT = typer.main.get_command(app)
TREE = dict(commands_of(ROOT))


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_option_of_every_command_combines_or_is_refused_twice(path):
    """A flag says the same twice: none has an opposite. An option of several values has a list of them."""
    parameters = TREE[path].params
    names = {name for parameter in parameters for name in parameter.opts}
    shared = [option for option in ROOT.params if not names & set(option.opts)]
    required = [
        ["1"] if item.param_type_name == "argument" else [item.opts[0], "1"] for item in parameters if item.required
    ]
    for option in [*parameters, *shared]:
        if option.param_type_name == "argument":
            continue
        assert not option.secondary_opts
        if not (option.is_flag or option.multiple):
            first, last = option.opts[0], option.opts[-1]
            line = error_line(*path, first, "1", f"{last}=2" if last.startswith("--") else f"{last}2")
            assert f"{first} takes one value and is given twice" in line
            if option in shared:
                line = error_line(first, "1", *path, *chain(*required), first, "2")
                assert f"{first} takes one value and is given twice" in line


def test_the_values_of_a_repeated_option_combine():
    combining = {(path, option.opts[0]) for path in TREE for option in TREE[path].params if option.multiple}
    assert {name for _, name in combining} == {"--accept-loss", "--encoder", "--protocol", "--benchmark"} | {
        *("--also", "--not", "--like", "--unlike", "--audio", "--genre", "--tag", "--name")
    }
    for path, name in combining:
        command = TREE[path]
        arguments = ["rendered"] * any(parameter.param_type_name == "argument" for parameter in command.params)
        values, _, _ = command.make_parser(typer.Context(command)).parse_args([*arguments, name, "a", name, "b"])
        assert ["a", "b"] in values.values()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (("serach", "x"), ("no command is named 'serach'", "did you mean search?")),
        (("frobnicate",), ("no command is named 'frobnicate'; `tonelake --help`",)),
        (("forgt",), ("no command is named 'forgt'; `tonelake --help`",)),
        (("sources", "lst"), ("no command is named 'lst'", "did you mean list?", "`tonelake sources --help`")),
        (("search", "--taag", "x"), ("no option is named --taag", "did you mean --tag?", "`tonelake search --help`")),
        (("status", "--jsn"), ("no option is named --jsn", "did you mean --json?")),
        (("--lke", "x", "status"), ("no option is named --lke", "did you mean --lake?")),
        (("status", "-q"), ("no option is named -q",)),
        (("index",), ("missing argument 'sources'", "`tonelake index --help`")),
        (("recommend",), ("missing option '--history'",)),
        (("search", "--tag"), ("'--tag' requires an argument",)),
        (("search", "slow", "jazz"), ("(jazz)", "in quotes")),
        (("search", "x", "-k", "many"), ("invalid value for '-k'",)),
        (("search", "x", "-k", "0"), ("invalid value for '-k'",)),
        (("sources",), ("needs a command: add, list, remove",)),
        (("--json",), ("needs a command",)),
        (("--encoder", "musicn", "status"), ("no encoder is named 'musicn'", "did you mean musicnn")),
        (("status", "--encoder", "nosuch"), ("no encoder is named 'nosuch'",)),
        (("evaluate", "rendred"), ("did you mean rendered?",)),
        (("evaluate", "rendered", "--protocol", "zeroshot"), ("did you mean zero-shot?",)),
        (("export", "d", "--format", "Parqet"), ("no format 'Parqet'", "did you mean parquet? there are")),
        (("export", "d", "--format", "nopee"), ("no format 'nopee'; there are parquet, npy",)),
    ],
)
def test_wrong_usage_is_one_line_with_the_nearest_name(arguments, messages):
    line = error_line(*arguments)
    assert line.startswith("tonelake: ")
    for message in messages:
        assert message in line


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TONELAKE_EXECUTOR", "Lokal", "there is no 'Lokal'; did you mean local? there are local, ray"),
        ("TONELAKE_EXECUTOR", "slurm", "there is no 'slurm'; there are local, ray"),
        ("TONELAKE_ACCEPT", "silent,trunkated", "cannot accept trunkated; did you mean truncated? there are flac_str"),
        ("TONELAKE_CPUS", "many", "should be a valid integer"),
        ("TONELAKE_STORE_PATIENCE", "long", "should be a valid integer"),
        ("AWS_ENDPOINT_URL", "http://me:secret1@store", "contains credentials"),
    ],
)
def test_a_wrong_variable_is_one_line_with_its_name(variable, value, message):
    line = error_line("status", **{variable: value})
    assert line.startswith(f"tonelake: a setting is wrong: {variable}: ")
    assert message in line


def test_a_wrong_value_of_a_global_option_is_named_as_it_was_typed():
    assert ": --encoder: no encoder is named" in error_line("status", "--encoder", ",")


def test_every_command_refuses_an_unknown_option_in_one_line():
    commands = [
        info.callback.__name__.replace("_", "-")
        for group in app.registered_groups
        for info in group.typer_instance.registered_commands
        if not (group.name or info.name or info.hidden)
    ]
    assert len(commands) > 15
    for command in commands:
        assert "no option is named --no-such" in error_line(command, "--no-such")


def test_a_wrong_encoder_costs_no_import_of_torch():
    code = (
        "import sys; from flows.cli.main import main\n"
        "try: main(['--encoder', 'nosuch', 'status'])\n"
        "except SystemExit as end: print(end.code, sorted({'torch', 'ray', 'prefect'} & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert result.stdout.strip() == "2 []"


def test_without_a_command_the_help_is_printed():
    assert run_here().stdout == run_here("--help").stdout
    assert "COMMAND" in run_here().stdout


def test_an_interrupt_is_one_line_and_130():
    with patch("flows.operations.status.read_status", side_effect=KeyboardInterrupt):
        result = run_here("status", code=130)
    assert result.stderr == "tonelake: interrupted: what was committed is kept\n"


@pytest.mark.parametrize("arguments", [("encoders",), ("encoders", "--json"), ("--help",)])
def test_a_closed_pipe_is_no_error(arguments):
    """Nobody reads what the command prints: the reading end is closed before it starts."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, env=environment(), check=False
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (0, "")


def test_another_broken_pipe_is_an_error():
    with patch("flows.operations.status.read_status", side_effect=BrokenPipeError(32, "Broken pipe")):
        assert "Broken pipe" in run_here("status", code=1).stderr


def test_a_takedown_that_is_not_confirmed_exits_with_1(lake):
    with patch("flows.cli.takedown.sys.stdin.isatty", return_value=True), patch("typer.confirm") as confirm:
        confirm.side_effect = typer.Abort
        result = run_here("--lake", lake, "takedown", "t0001", code=1)
    assert result.stderr == "tonelake: not confirmed: nothing was done\n"
