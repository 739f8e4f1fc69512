"""Model, data, training loop, checkpoints and scores.

OpenMP threads spin while they wait for each other. With another process on the cores (a loader's included) the one
they wait for is not running, the others burn its time, and training was seen to take ten times as long. Told to wait
passively they stay fast, and on an idle machine it costs nothing (tests/benchmarks/busy_machine.py measures both).
"""

import os
import sys

# The runtimes read these once, when they are loaded with torch: GNU's the first, LLVM's and Intel's the second. That
# is why they are set here, before any module of this package can import torch.
PASSIVE_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}

if "torch" not in sys.modules:
    for _name, _value in PASSIVE_WAITING.items():
        os.environ.setdefault(_name, _value)
