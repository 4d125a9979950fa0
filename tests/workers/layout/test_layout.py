"""Layouts of landmarks, and what lies beside them: equal for equal vectors, near where vectors are near."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from workers.layout import umap_layout
from workers.layout.landmarks import LandmarkIndex, squared_distances
from workers.layout.placing import align, place_beside
from workers.layout.plane import Plane
from workers.layout.projection import Projection

CLUSTERS, DIM = 6, 16
needs_umap = pytest.mark.skipif(not umap_layout.is_installed(), reason="umap-learn is not installed")


def draw_clusters(count, seed=0):
    """Return unit vectors around six centres, and the centre of each."""
    centres = np.random.default_rng(7).standard_normal((CLUSTERS, DIM))
    random = np.random.default_rng(seed)
    clusters = random.integers(0, CLUSTERS, count)
    vectors = centres[clusters] + 0.3 * random.standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), clusters


def no_positions(count):
    return np.full((count, 2), np.nan, np.float32)


def test_axes_are_those_of_a_singular_value_decomposition():
    vectors, _ = draw_clusters(300)
    projected = Projection.fit(vectors, 3).apply(vectors)
    left, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(projected), np.abs(left[:, :3] * sizes[:3]), atol=1e-4)


def test_the_nearest_landmarks_are_found_if_all_cells_are_compared():
    points, _ = draw_clusters(900)
    queries, _ = draw_clusters(50, seed=1)
    nearest = LandmarkIndex.build(points).nearest(queries, 5, near_cells=256)
    exact = np.argsort(squared_distances(queries, points), axis=1)[:, :5]
    np.testing.assert_array_equal(np.sort(nearest.rows), np.sort(exact))
    np.testing.assert_allclose(
        nearest.distances[:, 0], np.linalg.norm(queries - points[exact[:, 0]], axis=1), atol=1e-3
    )


def test_few_cells_find_most_of_the_nearest():
    points, _ = draw_clusters(4000)
    queries, _ = draw_clusters(50, seed=1)
    index = LandmarkIndex.build(points)
    few, exact = (index.nearest(queries, 10, cells).rows for cells in (24, 256))
    shared = np.mean([len({*a} & {*b}) / 10 for a, b in zip(few, exact, strict=True)])
    assert shared > 0.6


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_few_tracks_have_positions_too(count):
    vectors, _ = draw_clusters(count)
    plane = Plane.lay_out(vectors, "pca", 15, 0, no_positions(count))
    assert plane.positions.shape == (count, 2)
    assert np.isfinite(plane.positions).all()
    assert np.isfinite(plane.locate(vectors)).all()


def test_a_point_on_a_landmark_lies_there_and_others_lie_in_their_cluster():
    landmarks, clusters = draw_clusters(600)
    plane = Plane.lay_out(landmarks, "pca", 15, 0, no_positions(600))
    others, wanted = draw_clusters(200, seed=3)
    placed = plane.locate(others)
    centres = np.stack([plane.positions[clusters == number].mean(axis=0) for number in range(CLUSTERS)])
    distances = np.linalg.norm(placed - centres[wanted], axis=1)
    spread = np.linalg.norm(plane.positions - centres[clusters], axis=1)
    assert np.median(distances) < 1.2 * np.median(spread)


def test_weights_fall_with_the_distance():
    landmarks = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], np.float32)
    nearest = LandmarkIndex.build(landmarks).nearest(np.array([[0.1, 0.0]], np.float32), 3)
    placed = place_beside(nearest, landmarks)
    assert placed[0, 0] < 1.0
    assert placed[0, 1] == 0


def test_a_turned_and_mirrored_map_is_turned_back():
    earlier = np.random.default_rng(0).standard_normal((40, 2))
    angle = 1.1
    turned = (earlier * [1, -1]) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + [3, 9]
    rotation, shift = align(turned, earlier)
    np.testing.assert_allclose(turned @ rotation + shift, earlier, atol=1e-9)


@needs_umap
def test_umap_is_deterministic_better_than_axes_and_begins_at_the_earlier_map():
    vectors, clusters = draw_clusters(400)
    first, second = (Plane.lay_out(vectors, "umap", 15, 0, no_positions(400)).positions for _ in range(2))
    np.testing.assert_array_equal(first, second)
    axes = Plane.lay_out(vectors, "pca", 15, 0, no_positions(400)).positions
    assert trustworthiness(vectors, first, n_neighbors=15) > trustworthiness(vectors, axes, n_neighbors=15)
    grown, _ = draw_clusters(80, seed=5)
    earlier = np.concatenate([first, no_positions(80)])
    later = Plane.lay_out(np.concatenate([vectors, grown]), "umap", 15, 0, earlier).positions[:400]
    moved = np.linalg.norm(later - first, axis=1)
    across = np.linalg.norm(first.max(axis=0) - first.min(axis=0))
    assert np.median(moved) < 0.15 * across
    assert len(clusters) == 400
