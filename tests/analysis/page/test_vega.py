import signal
import subprocess
import sys
import time

from analysis.page import vega
from analysis.page.draw import vega_lite_version


def test_the_script_sets_what_the_page_calls() -> None:
    assert "vegaEmbed" in vega.script()


def test_ctrl_c_ends_the_bundling_without_a_word() -> None:
    command = [sys.executable, "-c", vega._BUNDLE, vega_lite_version()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as bundling:
        time.sleep(0.3)  # Python has started
        bundling.send_signal(signal.SIGINT)
        _, said = bundling.communicate()
    assert bundling.returncode == -signal.SIGINT
    assert said == b""
