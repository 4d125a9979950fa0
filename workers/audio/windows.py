"""TEMP"""
import numpy as np, soundfile as sf, soxr
from schemas.audio import AudioFacts
from workers.audio.verdicts import Rejected
class read_windows:
    def __init__(self, file, spec, accept):
        self.file, self.spec = file, spec
    def __iter__(self):
        try:
            x, sr = sf.read(self.file, dtype="float32", always_2d=True)
        except sf.LibsndfileError as e:
            raise Rejected("unrecognised", str(e))
        m = x.mean(1); y = soxr.resample(m, sr, self.spec.sample_rate)
        self.facts = AudioFacts(len(m)/sr, "x", sr, x.shape[1], float(abs(m).max()), -10.0, ())
        for i in self.spec.chosen(len(y)):
            w = y[i*self.spec.hop:i*self.spec.hop+self.spec.window]
            yield np.resize(w, self.spec.window) if len(w) < self.spec.window else w
