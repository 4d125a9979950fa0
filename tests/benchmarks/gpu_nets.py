"""The networks of the encoders at full size with random weights, without any file.

net = build_net("muq", torch.device("cuda"))

mule and omar-rq are missing: their networks take their shapes from the weights' files.
"""

import warnings
from collections.abc import Callable

import torch
from torch import nn
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTModel,
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    ClapFeatureExtractor,
    EncodecConfig,
    EncodecModel,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from tests.conformance import small_clap, small_muq, small_tagging_cnn
from workers.encoders.base.pooled_states import PooledStates, WaveformNorm
from workers.encoders.clamp3.encoder import MERT_WINDOW
from workers.encoders.clamp3.net import AudioTower
from workers.encoders.clap.net import ClapAudioNet
from workers.encoders.muq import mulan_net
from workers.encoders.muq.net import Backbone, Conformer, LogMel, MuqMean, MuqSettings, Subsampling
from workers.encoders.pretrained_audio.whisper_mel import WhisperMel
from workers.encoders.spectrogram_transformers.encoder import FRAME, HOP
from workers.encoders.spectrogram_transformers.maest_net import MaestNet
from workers.encoders.spectrogram_transformers.net import AstNet, FilterBank
from workers.encoders.tagging_cnns import nets as tagging_cnns
from workers.encoders.ttmr.net import MusicShape, MusicTower
from workers.encoders.ttmr.plus_plus_net import PeakNormalised, PlusShape, PlusTower
from workers.text.bert import Bert

# Sizes that differ from transformers' defaults, which are those of the base models.
MERT_330M = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
}
CLAP = {
    "depths": [2, 2, 12, 2],
    "num_attention_heads": [4, 8, 16, 32],
    "patch_embeds_hidden_size": 128,
    "hidden_size": 1024,
    "num_hidden_layers": 4,
}
WHISPER = {"d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048}
MAEST = {"num_mel_bins": 96, "max_length": 1876, "layer_norm_eps": 1e-6}
MUQ = small_muq.Sizes()
MUQ_MEL = MuqSettings(mean=6.768444971712967, deviation=18.417922652295623, heads=small_muq.HEADS)
SMALL_HUBERT = {"num_hidden_layers": 1, "intermediate_size": 64, "conv_dim": [16] * 7}  # the features keep their size


def build_net(name: str, device: torch.device, *, small: bool = False) -> nn.Module:
    """Build the net of an encoder of `NETS` on a device, in eval mode; it maps audio [b, window] to [b, dim].

    Weights are drawn by a fixed seed. Biases are 0: random ones would say more than the sound. A small net is one of
    `SMALL_NETS`.
    """
    torch.manual_seed(0)
    with torch.device(device), warnings.catch_warnings(action="ignore"):
        net = (SMALL_NETS if small else NETS)[name]()
    net.requires_grad_(False)
    for parameter_name, parameter in net.named_parameters():
        if "bias" in parameter_name.rpartition(".")[2]:
            parameter.zero_()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.num_features == 1:
            module.running_mean.fill_(-30)  # decibels, as of music
            module.running_var.fill_(400)
    return net.to(device).eval()


def _mert(**sizes: object) -> nn.Module:
    return PooledStates(WaveformNorm(), HubertModel(HubertConfig(**sizes)), all_states=True)


def _whisper() -> nn.Module:
    config = WhisperConfig(**WHISPER)
    return PooledStates(WhisperMel(16_000, frame=400, hop=160, bands=config.num_mel_bins), WhisperEncoder(config))


def _encodec() -> nn.Module:
    encoder = EncodecModel(EncodecConfig()).encoder
    return nn.Sequential(nn.Unflatten(1, (1, -1)), encoder, nn.AdaptiveAvgPool1d(1), nn.Flatten())


def _clap() -> nn.Module:
    with torch.device("cpu"):
        extractor = ClapFeatureExtractor(**small_clap.EXTRACTOR)
    return ClapAudioNet(ClapAudioModelWithProjection(ClapAudioConfig(**CLAP)), extractor)


def _ast() -> nn.Module:
    with torch.device("cpu"):
        extractor = ASTFeatureExtractor()
    return AstNet(ASTModel(ASTConfig()), FilterBank(extractor, FRAME, HOP))


def _muq_backbone() -> Backbone:
    conv = Subsampling(MUQ.channels, small_muq.BANDS, MUQ.dim)
    conformer = Conformer(MUQ.layers, MUQ.dim, MUQ_MEL.heads, MUQ.inner, small_muq.KERNEL)
    frequencies = conformer.embed_positions.inv_freq
    frequencies.copy_(10_000.0 ** -(torch.arange(len(frequencies)) / len(frequencies)))
    return Backbone(LogMel(small_muq.BANDS, MUQ_MEL), conv, conformer)


def _muq_mulan() -> nn.Module:
    summary = mulan_net.Summary(nn.Linear(MUQ.dim, MUQ.text), nn.Sequential(), nn.Linear(MUQ.text, MUQ.joint))
    return mulan_net.AudioTower(_muq_backbone(), -1, summary)


def _clamp3() -> nn.Module:
    bert = Bert(words=1, positions=128, dim=768, layers=12, heads=12, inner=3072, epsilon=1e-12, dropout=0.1)
    return AudioTower(HubertModel(HubertConfig()), MERT_WINDOW, bert, nn.Linear(768, 768))


def _tagging_cnn(name: str) -> nn.Module:
    with torch.device("cpu"):  # where its state is
        return tagging_cnns.build_net(name, small_tagging_cnn.build_state(name))


NETS: dict[str, Callable[[], nn.Module]] = {
    "ttmr-contrastive-bert-tag": lambda: MusicTower(MusicShape()),
    "ttmr-pp": lambda: PeakNormalised(PlusTower(PlusShape())),
    "fcn": lambda: _tagging_cnn("fcn"),
    "crnn": lambda: _tagging_cnn("crnn"),
    "sample-cnn": lambda: _tagging_cnn("sample-cnn"),
    "short-chunk": lambda: _tagging_cnn("short-chunk"),
    "harmonic-cnn": lambda: _tagging_cnn("harmonic-cnn"),
    "mert-95m": _mert,
    "mert-330m": lambda: _mert(**MERT_330M),
    "wav2vec2": lambda: PooledStates(WaveformNorm(), Wav2Vec2Model(Wav2Vec2Config())),
    "whisper": _whisper,
    "encodec": _encodec,
    "clap-music": _clap,
    "ast": _ast,
    "maest": lambda: MaestNet(ASTModel(ASTConfig(**MAEST))),
    "muq": lambda: MuqMean(_muq_backbone()),
    "muq-mulan": _muq_mulan,
    "clamp3": _clamp3,
}
# Fewer layers and channels, for a rehearsal on a CPU; these nets take windows of any length.
SMALL_NETS: dict[str, Callable[[], nn.Module]] = {
    "ttmr-contrastive-bert-tag": lambda: MusicTower(MusicShape(channels=8, inner=64)),
    "mert-95m": lambda: _mert(**SMALL_HUBERT),
}
