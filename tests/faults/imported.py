"""What a process has imported from which those are forked that run a command: no thread, no store.

Importing torch and Lightning takes longer than most of the commands do on a few pixels.
"""

import importlib

from nadir.provenance.compiled import separate_compiled_code

separate_compiled_code()  # as the command line does, before numba is imported
for name in (
    *("cli.build_cube", "cli.train_model", "cli.predict_map", "cli.pack_submission"),
    *("cli.split_tiles", "learn.seeds", "segmentation.fitting", "segmentation.models.registry"),
    *("segmentation.models.reduced", "segmentation.models.scratch", "segmentation.turning"),
):
    importlib.import_module(f"nadir.{name}")
