"""The text towers of trained joint spaces, in numpy, against the torch nets of the trainings."""

import numpy as np
import pytest
import torch

from schemas.training import TrainingConfig
from tests.conformance.models import fetch_models
from workers.encoders.joint.net import Joint, Shapes
from workers.encoders.joint.text_tower import JointTextTower, TagTextTower, load_finetuned_tower
from workers.text.minilm_net import MiniLMNet
from workers.text.minilm_weights import MINILM

TEXTS = ["slow jazz with a muted trumpet", "banjo", ""]


def arrays(net):
    return {name: weight.numpy() for name, weight in net.state_dict().items()}


def shake(net):
    """Change every weight a little, as a training does."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in [*net.parameters(), *net.buffers()]:
            weight += 0.01 * torch.randn_like(weight)


@pytest.mark.parametrize("projection", ["linear", "none"])
def test_the_projection_of_a_frozen_tower_equals_the_nets(projection):
    joint = Joint(TrainingConfig(text_projection=projection), Shapes(features=4, text=32, tags=0)).eval()
    shake(joint)
    vectors = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32)
    tower = JointTextTower(lambda _: vectors, arrays(joint))
    with torch.inference_mode():
        expected = joint.embed(torch.from_numpy(vectors)).numpy()
    np.testing.assert_allclose(tower.embed_text([""] * 5), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("projection", ["linear", "none"])
def test_a_finetuned_tower_equals_the_net(projection):
    models = fetch_models(MINILM)
    config = TrainingConfig(finetune_text=True, text_projection=projection)
    joint = Joint(config, Shapes(features=4, text=384, tags=0), MiniLMNet(models)).eval()
    shake(joint)
    weights = arrays(joint)
    tower = JointTextTower(load_finetuned_tower(weights, models).mean_states, weights)
    with torch.inference_mode():
        expected = joint.embed(TEXTS).numpy()
    np.testing.assert_allclose(tower.embed_text(TEXTS), expected, atol=1e-6, rtol=0)


def test_a_classifiers_text_is_the_mean_of_its_tags_centroids():
    centroids = np.array([[2, 0, 0], [0, 3, 0], [0, 0, 1]], np.float32)
    tower = TagTextTower(centroids, ("banjo", "hip hop", "piano"))
    half = np.sqrt(0.5)
    expected = [[1, 0, 0], [half, half, 0], np.full(3, np.sqrt(1 / 3))]
    texts = ["a Banjo tune", "hip hop with banjo", "pianos"]
    np.testing.assert_allclose(tower.embed_text(texts), expected, atol=1e-6)
    assert tower.embed_text([]).shape == (0, 3)
