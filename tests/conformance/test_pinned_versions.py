"""Pinned identities: the versions of every encoder, and the ids of evaluations.

If this test fails, every lake would be embedded again, or every benchmark evaluated again. Update the file only with a
change that is meant to change numbers: python -m tests.conformance.test_pinned_versions
"""

import json
from pathlib import Path

from schemas.evaluations import EvaluationKey
from workers.encoders.registry import ENCODERS, find_by_name
from workers.evaluation.protocols import PROTOCOLS

PINNED = Path(__file__).parents[1] / "data" / "pinned_versions.json"


def encoder_versions() -> dict[str, list[str]]:
    """Return [feature_version, embedding_version, tags_version] of every encoder.

    Each encoder is listed with all windows and with at most three.
    """
    names = [*ENCODERS, *(f"{name}-bfloat16" for name, entry in ENCODERS.items() if entry.on_gpu)]
    specs = {name: find_by_name(name).spec for name in names}
    specs |= {f"{name}, 3 windows": spec.with_max_windows(3) for name, spec in specs.items()}
    return {name: [spec.feature_version, spec.embedding_version, spec.tags_version] for name, spec in specs.items()}


def evaluation_ids() -> dict[str, str]:
    """Return the id of a sample evaluation under each protocol."""
    version = ENCODERS["musicnn"].spec.embedding_version
    sample = ("gtzan", "gtzan", "1.0", "0" * 16)
    return {
        name: EvaluationKey(*sample, protocol, version, "1" * 16, 1).evaluation_id
        for name, protocol in PROTOCOLS.items()
    }


def identities() -> dict[str, dict[str, object]]:
    return {"encoders": dict(encoder_versions()), "evaluations": dict(evaluation_ids())}


def test_no_version_moved_by_itself():
    assert identities() == json.loads(PINNED.read_text())


if __name__ == "__main__":
    PINNED.write_text(json.dumps(identities(), indent=1, sort_keys=True) + "\n")
