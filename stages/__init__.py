"""The stages of the pipeline, one file each, and the subpackages that they share.

What libraries read once, when they are loaded, is set here: this is imported before any module can import them.
"""

import os

# Polars' allocator (jemalloc) keeps freed pages for later unless told otherwise, once it is loaded: at 741,533 records
# the export then takes 40 % more memory at its peak, and is no faster.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")

# OpenMP threads spin while they wait for each other. With another process on the cores (a loader's included) the one
# they wait for is not running, the others burn its time, and training was seen to take ten times as long. Told to wait
# passively they stay fast, and on an idle machine it costs nothing (benchmarks/busy_machine.py measures both).
# GNU's runtime reads the first, LLVM's and Intel's the second; both come with torch.
PASSIVE_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
for _name, _value in PASSIVE_WAITING.items():
    os.environ.setdefault(_name, _value)

# On a CPU, torch, oneDNN and MKL choose their code by the processor, and each choice rounds otherwise. These let them
# choose the same on all; stages/learning/arithmetic.py says why these, and sets them where a network is to compute.
PORTABLE_ARITHMETIC = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
