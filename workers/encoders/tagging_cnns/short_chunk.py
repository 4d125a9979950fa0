"""Short-chunk CNN: seven residual convolutional blocks over 3.69 s of spectrogram.

Its tags are the Million Song Dataset's: the authors never published one trained on MagnaTagATune (their issue 10).
"""

from workers.encoders.musicnn.tags import MSD_TAGS
from workers.encoders.tagging_cnns.encoder import tagging_registration, tagging_source, tagging_spec

# The latest known commit, because the folder was named boc at first. The file itself could not be seen.
SOURCE = tagging_source("short-chunk", "msd/short_res", "388da3b43afef3eebdbe3df6fe1814a17aee3114")
SPEC = tagging_spec(
    SOURCE,
    window=59_049,
    layer="dense1, after batch norm and ReLU",
    dim=512,
    paper="Short-chunk CNN with residual connections",
    vocabulary=MSD_TAGS,
)
REGISTRATIONS = (tagging_registration(SPEC, SOURCE, realtime_factor=40),)
