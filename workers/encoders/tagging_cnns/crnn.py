"""CRNN: four convolutions over 29 s of spectrogram, then a recurrent network over time."""

from workers.encoders.musicnn.tags import MTT_TAGS
from workers.encoders.tagging_cnns.encoder import SAMPLE_RATE, tagging_registration, tagging_source, tagging_spec

SOURCE = tagging_source("crnn", "mtat/crnn")
SPEC = tagging_spec(
    SOURCE,
    window=29 * SAMPLE_RATE,
    layer="layer5 (GRU), its last step",
    dim=32,
    paper=(
        "K. Choi, G. Fazekas, M. Sandler and K. Cho, Convolutional recurrent neural networks for music "
        "classification, ICASSP 2017"
    ),
    vocabulary=MTT_TAGS,
)
REGISTRATIONS = (tagging_registration(SPEC, SOURCE, realtime_factor=85),)
