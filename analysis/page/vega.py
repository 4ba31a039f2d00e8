"""Vega, Vega-Lite and vega-embed as one script, which sets ``window.vegaEmbed``.

Bundling them takes seconds, in which compiled code holds Python's lock. So a process of its own
does it, while this one measures a study.
"""

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from analysis.page.draw import vega_lite_version

_BUNDLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C meets this process also: no traceback
import vl_convert
sys.stdout.buffer.write(vl_convert.javascript_bundle(vl_version=sys.argv[1]).encode())
"""


@cache
def begin() -> Future[str]:
    """Begin to bundle, once in a process."""
    threads = ThreadPoolExecutor(1)
    bundling = threads.submit(_bundle, vega_lite_version())
    threads.shutdown(wait=False)
    return bundling


def script() -> str:
    """Return the script, as soon as it is bundled."""
    return begin().result()


def _bundle(version: str) -> str:
    command = [sys.executable, "-c", _BUNDLE, version]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
