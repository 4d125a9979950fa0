"""FCN: five convolutions over 29 s of spectrogram."""

from workers.encoders.musicnn.tags import MTT_TAGS
from workers.encoders.tagging_cnns.encoder import SAMPLE_RATE, tagging_registration, tagging_source, tagging_spec

SOURCE = tagging_source("fcn", "mtat/fcn")
SPEC = tagging_spec(
    SOURCE,
    window=29 * SAMPLE_RATE,
    layer="layer5, flattened",
    dim=64,
    paper="K. Choi, G. Fazekas and M. Sandler, Automatic tagging using deep convolutional neural networks, ISMIR 2016",
    vocabulary=MTT_TAGS,
)
REGISTRATIONS = (tagging_registration(SPEC, SOURCE, realtime_factor=100),)
