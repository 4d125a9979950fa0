"""What the gate advises if no benchmark has figures of both versions."""

from flows.releases.gate.benchmarks import advise
from tests.lake.rows import SPEC
from workers.encoders.registry import find_by_name


def test_without_figures_the_gate_says_what_to_run():
    fake, elsewhere = find_by_name("fake").spec, f"only the tonelake that computed {SPEC.embedding_version} can"
    assert advise([SPEC, fake]) == f"run `tonelake evaluate rendered --encoder fake`; {elsewhere} evaluate it"
    both = "--encoder fake && tonelake evaluate rendered --encoder fake --max-windows 5`"
    assert advise([fake, fake.with_max_windows(5)]) == f"run `tonelake evaluate rendered {both}"
