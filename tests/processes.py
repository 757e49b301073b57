"""Fresh processes at the price of one: a server imports what takes long once, and is forked.

Such a process has the modules of `PRELOADED` and nothing else of the one that asks for it: no
threads, no open groups, no random state. Where the system cannot fork it is started anew.
"""

import multiprocessing

PRELOADED = [
    *("swiftrnn.training.fit", "swiftrnn.training.sweep", "swiftrnn.recipes.ner_crf"),
    *("optuna", "alembic.context"),
]
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def context():
    """What starts processes: as `multiprocessing`, for functions that can be imported."""
    found = multiprocessing.get_context(METHOD)
    if METHOD == "forkserver":
        found.set_forkserver_preload(PRELOADED)
    return found


def together(function, *given):
    """What a function returns in each of two processes that torchrun started, by their rank."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    launch = LaunchConfig(1, 1, 2, rdzv_endpoint="localhost:0", start_method=METHOD)
    launch.rdzv_backend, launch.run_id = "c10d", "tests"  # as with torchrun --standalone
    context()
    return elastic_launch(launch, function)(*given)
