"""The protocols by which vectors are judged, and which of them a benchmark and an encoder allow."""

from collections import Counter
from dataclasses import replace
from itertools import product

from schemas.benchmarks import SPLITS, Clip
from schemas.errors import UserError
from schemas.evaluations import ProbeSpec, Protocol

_TEST = ("test",)


def _seed_grid(hidden: int | None) -> tuple[ProbeSpec, ...]:
    """The grid of "Toward Universal Text-to-Music Retrieval" (its released code): Adam, cosine, 200 epochs."""
    return tuple(
        ProbeSpec(hidden, batch, rate, dropout)
        for batch, rate, dropout in product((16, 64, 512), (1e-3, 5e-4), (0.0, 0.25))
        if hidden or not dropout  # dropout sits behind the hidden layer: a linear probe has none
    )


# MARBLE (Yuan et al., 2023), as its second version sets its probe for tagging.
_MARBLE = ProbeSpec(512, 64, 1e-3, 0.2, patience=10, schedule="plateau", judged_by="main")

PROTOCOLS: dict[str, Protocol] = {
    "zero-shot": Protocol("zero-shot", _TEST, needs_text=True),
    "tag-retrieval": Protocol("tag-retrieval", _TEST, "map@10", needs_text=True),
    "sentence-retrieval": Protocol("sentence-retrieval", _TEST, "recall@10", needs_text=True),
    "linear": Protocol("linear", SPLITS, probes=_seed_grid(None)),
    "mlp": Protocol("mlp", SPLITS, probes=_seed_grid(512)),
    "marble": Protocol("marble", SPLITS, probes=(_MARBLE,)),
}

DEFAULT = ("zero-shot", "tag-retrieval", "sentence-retrieval", "linear", "mlp")


def protocol(name: str, prompt: str | None = None, inputs: str = "vectors") -> Protocol:
    """The protocol of that name as asked for; UserError says which there are."""
    if name not in PROTOCOLS:
        raise UserError(f"no protocol is named {name!r}; there are {', '.join(PROTOCOLS)}")
    found = PROTOCOLS[name]
    if prompt is not None and name in ("zero-shot", "tag-retrieval"):
        if "{}" not in prompt:
            raise UserError(f"--prompt needs a {{}} where the tag stands, such as 'music with {{}}', not {prompt!r}")
        found = replace(found, prompt=prompt)
    return replace(found, inputs=inputs) if found.probes else found


def obstacle(chosen: Protocol, task: str, clips: list[Clip], has_text: bool) -> str | None:
    """Why a protocol cannot judge such clips; None where it can."""
    if chosen.needs_text and not has_text:
        return "the encoder has no text tower"
    used = [clip for clip in clips if chosen.uses(clip)]
    if chosen.name == "sentence-retrieval":
        return None if used else "its test clips have no captions"
    if missing := [split for split in chosen.splits if all(clip.split != split for clip in used)]:
        return f"it has no {' and no '.join(missing)} split"
    if task == "captions" or not (task == "regression" or any(clip.labels for clip in used)):
        return "its clips have captions only, no labels"
    if chosen.needs_text and task == "regression":
        return "numbers cannot be asked for in words"
    if chosen.probes and task == "multilabel":
        return _unlearnable(used)
    return None


def _unlearnable(clips: list[Clip]) -> str | None:
    """A probe is chosen by the validation split: some label must divide it, and the training split too."""
    for split in ("train", "valid"):
        labels = [clip.labels for clip in clips if clip.split == split]
        counts = Counter(label for row in labels for label in set(row))
        if not any(count < len(labels) for count in counts.values()):
            return f"no label divides its {split} split: every clip of it has the same ones"
    return None
