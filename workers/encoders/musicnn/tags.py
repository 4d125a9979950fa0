"""The tags that musicnn's two networks tell, merged into one vocabulary."""

import numpy as np

# In the order of the networks' outputs. MTT: MagnaTagATune; MSD: Last.fm tags of the Million Song Dataset.
MTT_TAGS = tuple(
    "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,ambient,beat,violin,vocal,synth,female,"
    "indian,opera,male,singing,vocals,no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,pop,soft,"
    "sitar,solo,man,classic,choir,voice,new age,dance,male voice,female vocal,beats,harp,cello,no voice,weird,"
    "country,metal,female voice,choral".split(",")
)
MSD_TAGS = tuple(
    "rock,pop,alternative,indie,electronic,female vocalists,dance,00s,alternative rock,jazz,beautiful,metal,chillout,"
    "male vocalists,classic rock,soul,indie rock,Mellow,electronica,80s,folk,90s,chill,instrumental,punk,oldies,blues,"
    "hard rock,ambient,acoustic,experimental,female vocalist,guitar,Hip-Hop,70s,party,country,easy listening,sexy,"
    "catchy,funk,electro,heavy metal,Progressive rock,60s,rnb,indie pop,sad,House,happy".split(",")
)


def normalised(tag: str) -> str:
    """Lower case, hyphens as spaces: tags of one normalised name are one tag."""
    return tag.lower().replace("-", " ")


_OUTPUTS = [normalised(tag) for tag in (*MTT_TAGS, *MSD_TAGS)]

VOCABULARY = tuple(dict.fromkeys(_OUTPUTS))

_MERGED = [[at for at, tag in enumerate(_OUTPUTS) if tag == name] for name in VOCABULARY]
_FIRST = np.array([places[0] for places in _MERGED])
_LAST = np.array([places[-1] for places in _MERGED])


def merged(probabilities: np.ndarray) -> np.ndarray:
    """Both networks' probabilities [N, 100] -> [N, len(VOCABULARY)]; a tag that both tell has the larger of the two.

    The larger, because the two were trained on different people's tags: MSD's listeners seldom write "guitar" where
    MTT's players hear one, and a mean would halve it.
    """
    return np.maximum(probabilities[:, _FIRST], probabilities[:, _LAST])
