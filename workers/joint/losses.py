"""What a joint space is trained by: a pure function each, on unit vectors and tags.

Source: S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023), and its released code,
seungheondoh/music-text-representation at 5e54e0df, for what the paper does not say.
"""

import torch
from torch.nn import functional

MAX_SCALE = 100.0  # A. Radford et al. (2021): a temperature under 1/100 makes training unstable


def classification(audio: torch.Tensor, centroids: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of `audio` [B, dim] against every tag's centroid [V, dim]; `tags` bool [B, V]."""
    return functional.binary_cross_entropy_with_logits(audio @ centroids.T, tags.float())


def contrastive(audio: torch.Tensor, text: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """InfoNCE of pairs [B, dim] in both directions (A. van den Oord et al., 2018; A. Radford et al., 2021).

    `log_scale` is the logarithm of 1 / temperature, learned.
    """
    logits = log_scale.exp().clamp(max=MAX_SCALE) * audio @ text.T
    own = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def triplet(
    audio: torch.Tensor, text: torch.Tensor, tags: torch.Tensor, margin: float, generator: torch.Generator
) -> torch.Tensor:
    """Hinge of pairs [B, dim] against one drawn negative an anchor, the mean of audio -> text and text -> audio.

    Anchors that share all their tags with everything in the batch have no negative and count nothing.
    """
    cosines = audio @ text.T
    hinges = [_hinge(each, negative_weights(each.detach(), tags), margin, generator) for each in (cosines, cosines.T)]
    return torch.stack(hinges).mean()


def negative_weights(cosines: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
    """How likely a candidate is drawn as an anchor's negative [anchors, candidates], not normalised.

    Larger the nearer it is and the more of the anchor's tags it shares; 0 where it shares all of them, as the
    anchor's own pair does. `tags` bool [B, V].
    """
    has = tags.float()
    lacks = has.sum(1, keepdim=True) - has @ has.T
    return torch.where(lacks > 0, (cosines + 1).clamp(min=0) / 2 / lacks.clamp(min=1), 0)


def _hinge(cosines: torch.Tensor, weights: torch.Tensor, margin: float, generator: torch.Generator) -> torch.Tensor:
    anchors = weights.sum(1) > 0
    if not anchors.any():
        return cosines.sum() * 0
    # Drawn on the CPU: the same negatives on every machine and by every worker.
    drawn = torch.multinomial(weights[anchors].cpu(), 1, generator=generator).to(cosines.device)
    negatives = cosines[anchors].gather(1, drawn).squeeze(1)
    return functional.relu(margin - cosines.diagonal()[anchors] + negatives).mean()
