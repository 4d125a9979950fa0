"""Harmonic CNN: convolutions over 5 s of six harmonics of 128 pitches."""

from workers.encoders.musicnn.tags import MTT_TAGS
from workers.encoders.tagging_cnns.encoder import SAMPLE_RATE, tagging_registration, tagging_source, tagging_spec

SOURCE = tagging_source("harmonic-cnn", "mtat/hcnn")
SPEC = tagging_spec(
    SOURCE,
    window=5 * SAMPLE_RATE,
    layer="dense1, after batch norm and ReLU",
    dim=256,
    paper=(
        "M. Won, S. Chun, O. Nieto and X. Serra, Data-driven harmonic filters for audio representation learning, "
        "ICASSP 2020"
    ),
    vocabulary=MTT_TAGS,
)
REGISTRATIONS = (tagging_registration(SPEC, SOURCE, realtime_factor=35),)
