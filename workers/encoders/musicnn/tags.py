"""The tags of musicnn's two networks, merged into one vocabulary."""

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


def normalise_tag(tag: str) -> str:
    """Return the tag in lower case, with spaces for hyphens.

    Tags with the same normalised name are the same tag.
    """
    return tag.lower().replace("-", " ")


_OUTPUTS = [normalise_tag(tag) for tag in (*MTT_TAGS, *MSD_TAGS)]

VOCABULARY = tuple(dict.fromkeys(_OUTPUTS))

# For each tag of the vocabulary, the first and the last output with its name: equal if only one network has it.
_COLUMNS = [[column for column, tag in enumerate(_OUTPUTS) if tag == name] for name in VOCABULARY]
_FIRST = np.array([columns[0] for columns in _COLUMNS])
_LAST = np.array([columns[-1] for columns in _COLUMNS])


def merge_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Merge both networks' probabilities [N, 100] -> [N, len(VOCABULARY)].

    A tag of both networks gets the larger probability, because different people tagged their training data: MSD's
    listeners seldom write "guitar" where MTT's players hear one, and a mean would halve its probability.
    """
    return np.maximum(probabilities[:, _FIRST], probabilities[:, _LAST])
