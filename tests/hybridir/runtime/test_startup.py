from tests.support.tiny import python

PROGRAM = """
import gc
from hybridir.runtime.startup import long_lived
class Knot:
    pass
def tie():
    knot = Knot()
    knot.itself = knot
with long_lived():
    during = gc.isenabled()
    tie()
tie()
print(during, gc.isenabled(), gc.get_freeze_count() > 0, gc.collect() > 0)
print(len([known for known in gc.get_objects() if isinstance(known, Knot)]))
frozen = gc.get_freeze_count()
gc.disable()
with long_lived():
    more = [Knot() for _ in range(1000)]
print(gc.isenabled(), gc.get_freeze_count() - frozen < 1000)
"""


def test_what_is_imported_is_left_aside_once_and_later_garbage_is_still_collected() -> None:
    lines = python(PROGRAM).splitlines()
    # The second knot is collected, the first one was left aside with the imports.
    assert lines[:2] == ["False True True True", "0"]
    # Where there is no collector it is not switched on, and nothing is left aside again.
    assert lines[2] == "False True"
