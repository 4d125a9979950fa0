"""Sample-level CNN: eleven convolutions over 3.69 s of samples, without a spectrogram."""

from workers.encoders.musicnn.tags import MTT_TAGS
from workers.encoders.tagging_cnns.encoder import tagging_registration, tagging_source, tagging_spec

SOURCE = tagging_source("sample-cnn", "mtat/sample")
SPEC = tagging_spec(
    SOURCE,
    window=3**10,
    layer="layer11",
    dim=512,
    paper=(
        "J. Lee, J. Park, K. L. Kim and J. Nam, Sample-level deep convolutional neural networks for music "
        "auto-tagging using raw waveforms, SMC 2017"
    ),
    vocabulary=MTT_TAGS,
)
REGISTRATIONS = (tagging_registration(SPEC, SOURCE, realtime_factor=65),)
