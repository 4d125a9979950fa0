"""The settings of a training in a file: options win, and what is wrong is one line."""

import pytest

from schemas.errors import UserError
from tests.cli import error_line


@pytest.fixture
def requests(monkeypatch):
    """The requests that `train` got; it trains nothing."""
    seen = []

    def refuse(request, _):
        seen.append(request)
        raise UserError("nothing is trained here")

    monkeypatch.setattr("flows.training.train.train", refuse)
    return seen


def train(tmp_path, text, *options):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return error_line("train", "--data", "d.jsonl", "--out", tmp_path / "out", "--config", file, *options)


def test_options_win_over_the_file_and_the_file_over_defaults(requests, tmp_path):
    text = 'framework = "triplet"\nepochs = 7\nseed = 5\nlearning_rate = 1\nencoder = "fake"\n'
    assert train(tmp_path, text, "--epochs", "9", "--text", "glove").endswith("nothing is trained here")
    (request,) = requests
    config = request.config
    assert (config.framework, config.epochs, config.seed) == ("triplet", 9, 5)
    assert (config.text, config.learning_rate, config.encoder) == ("glove", 1.0, "fake")
    assert (config.representation, config.batch) == ("stochastic", 64)


def test_a_file_can_give_the_weight_of_conse(requests, tmp_path):
    train(tmp_path, 'conse_weight = 0.25\nconse_weight_tags = 0.5\nconse_tags = ["rock", "female vocals"]\n')
    assert requests[0].config.conse_weight == 0.25
    assert requests[0].config.conse_tags == ("rock", "female vocals")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "framwork = 'triplet'",
            "there is no setting framwork; did you mean framework? there are: all_words, batch, co",
        ),
        ("share = 0.2", "there is no setting share"),
        ("epochs = 'many'", "epochs takes a whole number, not 'many'"),
        ("epochs = true", "epochs takes a whole number, not True"),
        ("conse_tags = 'rock'", "conse_tags takes a list of texts, not 'rock'"),
        ("conse_tags = ['rock', 1]", "conse_tags takes a list of texts, not ['rock', 1]"),
        ("synonyms = 1", "synonyms takes true or false, not 1"),
        ("text = 'bertt'", "text takes glove, bert, not 'bertt'; did you mean bert?"),
        ("text = 'word2vec'", "text takes glove, bert, not 'word2vec'"),
        ("epochs = ", "cannot read the settings"),
    ],
)
def test_wrong_settings_are_one_line(requests, tmp_path, text, message):
    assert message in train(tmp_path, text)
    assert not requests
