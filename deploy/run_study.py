"""Run a study on the cluster of this head node.

    ray submit deploy/onprem.yaml deploy/run_study.py -- tune/studies/demo.yaml

`ray submit` copies one file to the head and runs it there. This file changes to the checkout that
contains the running Python's environment, and passes its arguments to ``tune/run_sweep.py``.
"""

import os
import sys
from pathlib import Path

CHECKOUT = Path(sys.prefix).parent

os.environ.setdefault("RAY_ADDRESS", "auto")
os.chdir(CHECKOUT)
os.execv(sys.executable, [sys.executable, "tune/run_sweep.py", *sys.argv[1:]])
