"""Tricks for speed alone. Each relies on how a library works today.

- execution.py avoids Lightning's hooks, loggers and progress for every batch: 0.5 ms a step, so that an epoch at batch
  64 takes 1.07 times the hand-written one instead of 1.74. hooks.py says when it cannot.
- step.py avoids torch's wrappers around an optimiser's step, and its lookups: 50 and 70 µs a step.
- spared.py avoids asking NVML at every step (80 µs), filling memory before use (5 % of a CNN's step), and moving
  logged values to the device that they are on (0.3 ms each time).
- memory.py avoids new pages for every batch, 2 µs a page, and returns holes in the heap to the system.
- imports.py and compiler.py avoid loading what torchmetrics, torch and Lightning import and most runs never use: half
  of the time before the first step. digits.py avoids importing scikit-learn for its digits.
- leaving.py avoids taking all of it apart when a process ends: half a second.
- idx.py avoids a second copy of MNIST's files, 47 MB.

docs/benchmarks.md says how each was measured. None changes a bit: `tests/fast` compares with the plain way, and
`tests/fast/test_libraries.py` fails when the code that a trick stands in for has changed. With `steps_per_execution=1`,
execution.py, step.py and spared.py are not used.
"""
