from tests.support.tiny import python

PROGRAM = """
import gc
from hybridir.runtime.startup import frozen_imports
class Knot:
    pass
def tie():
    knot = Knot()
    knot.itself = knot
with frozen_imports():
    during = gc.isenabled()
    tie()
tie()
print(during, gc.isenabled(), gc.get_freeze_count() > 0, gc.collect() > 0)
print(len([knot for knot in gc.get_objects() if isinstance(knot, Knot)]))
frozen = gc.get_freeze_count()
gc.disable()
with frozen_imports():
    more = [Knot() for _ in range(1000)]
print(gc.isenabled(), gc.get_freeze_count() - frozen < 1000)
"""


def test_imports_are_frozen_once_and_later_garbage_is_still_collected() -> None:
    lines = python(PROGRAM).splitlines()
    # The second knot is collected; the first was frozen with the imports.
    assert lines[:2] == ["False True True True", "0"]
    # A collector that was off stays off, and nothing is frozen again.
    assert lines[2] == "False True"
