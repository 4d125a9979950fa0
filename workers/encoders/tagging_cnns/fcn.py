"""FCN: five convolutions over 29 s of spectrogram."""

from workers.encoders.musicnn.tags import MTT_TAGS
from workers.encoders.tagging_cnns.encoder import SAMPLE_RATE, published, tagging_entry, tagging_spec

SOURCE = published("fcn", "mtat/fcn")
SPEC = tagging_spec(
    SOURCE,
    window=29 * SAMPLE_RATE,
    layer="layer5, flattened",
    dim=64,
    paper="K. Choi, G. Fazekas and M. Sandler, Automatic tagging using deep convolutional neural networks, ISMIR 2016",
    vocabulary=MTT_TAGS,
)
ENTRIES = (tagging_entry(SPEC, SOURCE, realtime_factor=100),)
