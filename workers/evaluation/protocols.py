"""The evaluation protocols, and which of them apply to a benchmark and an encoder."""

from collections import Counter
from dataclasses import replace
from itertools import product

from schemas.benchmarks import DESCRIPTION_TASKS, SPLITS, Clip
from schemas.errors import UserError
from schemas.evaluations import ProbeSpec, Protocol
from schemas.names import did_you_mean

_TEST = ("test",)


def _seed_grid(hidden: int | None) -> tuple[ProbeSpec, ...]:
    """Return the probe grid of TTMR's released code: Adam, cosine schedule, 200 epochs.

    Source: "Toward Universal Text-to-Music Retrieval" (Doh et al., 2023).
    """
    return tuple(
        ProbeSpec(hidden, batch, rate, dropout)
        for batch, rate, dropout in product((16, 64, 512), (1e-3, 5e-4), (0.0, 0.25))
        if hidden or not dropout  # dropout follows the hidden layer: a linear probe has none
    )


# The tagging probe of MARBLE (Yuan et al., 2023), as in its second version.
_MARBLE = ProbeSpec(512, 64, 1e-3, 0.2, patience=10, schedule="plateau", judged_by="main")

PROTOCOLS: dict[str, Protocol] = {
    "zero-shot": Protocol("zero-shot", _TEST, needs_text=True),
    "tag-retrieval": Protocol("tag-retrieval", _TEST, "map@10", needs_text=True),
    "sentence-retrieval": Protocol("sentence-retrieval", _TEST, "recall@10", needs_text=True),
    "linear": Protocol("linear", SPLITS, probes=_seed_grid(None)),
    "mlp": Protocol("mlp", SPLITS, probes=_seed_grid(512)),
    "marble": Protocol("marble", SPLITS, probes=(_MARBLE,)),
    "tempo": Protocol("tempo", _TEST, inputs="audio"),
    "key": Protocol("key", _TEST, inputs="audio"),
}

DEFAULT_PROTOCOLS = ("zero-shot", "tag-retrieval", "sentence-retrieval", "linear", "mlp")


def find_protocol(name: str, prompt: str | None = None, inputs: str = "vectors") -> Protocol:
    """Return the protocol of that name.

    `prompt` replaces the prompt of a protocol that queries with tags, `inputs` the inputs of a probe. Raises UserError
    for an unknown name, and for a prompt without {}.
    """
    if name not in PROTOCOLS:
        raise UserError(
            f"no protocol is named {name!r}; {did_you_mean(name, PROTOCOLS)}there are {', '.join(PROTOCOLS)}"
        )
    protocol = PROTOCOLS[name]
    if prompt is not None and name in ("zero-shot", "tag-retrieval"):
        if "{}" not in prompt:
            raise UserError(f"--prompt needs {{}} in the place of the tag, such as 'music with {{}}', not {prompt!r}")
        protocol = replace(protocol, prompt=prompt)
    return replace(protocol, inputs=inputs) if protocol.probes else protocol


def incompatibility_reason(protocol: Protocol, task: str, clips: list[Clip], has_text: bool) -> str | None:
    """Return why the protocol cannot evaluate these clips, or None if it can."""
    if task in DESCRIPTION_TASKS and protocol.name != task:
        return f"its clips have a {task} and no labels"
    if protocol.name in DESCRIPTION_TASKS and protocol.name != task:
        return f"its clips have no {protocol.name}"
    if protocol.needs_text and not has_text:
        return "the encoder has no text tower"
    used = [clip for clip in clips if protocol.uses(clip)]
    if protocol.name == "sentence-retrieval" and not used:
        return "its test clips have no captions"
    if missing := [split for split in protocol.splits if all(clip.split != split for clip in used)]:
        return f"it has no {' and no '.join(missing)} split"
    if protocol.name in DESCRIPTION_TASKS:
        return None
    if sum(clip.split == "test" for clip in used) < 2:
        return "one test clip is too few: there is nothing to tell it from"
    if protocol.name == "sentence-retrieval":
        return None
    if task == "captions" or not (task == "regression" or any(clip.labels for clip in used)):
        return "its clips have captions only, no labels"
    if protocol.needs_text and task == "regression":
        return "numbers cannot be queried in words"
    return _undivided_reason(used, protocol.splits) if task == "multilabel" else None


def _undivided_reason(clips: list[Clip], splits: tuple[str, ...]) -> str | None:
    """Return which split no label divides, or None.

    A probe learns on the training split and is selected on the validation split; all are judged on the test split.
    """
    for split in splits:
        labels = [clip.labels for clip in clips if clip.split == split]
        counts = Counter(label for clip_labels in labels for label in set(clip_labels))
        if not any(count < len(labels) for count in counts.values()):
            return f"no label divides its {split} split: all its clips have the same labels"
    return None
