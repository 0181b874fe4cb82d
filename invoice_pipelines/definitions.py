"""The code location: everything below `defs/`, run in one process per run. Holds no definition of its own."""

import sys
import warnings
from functools import cache
from multiprocessing import parent_process
from pathlib import Path

import dagster as dg

from invoice_pipelines.database.access import keep_sessions
from invoice_pipelines.json_logs import are_wanted

# Dagster warns of a parameter that it passes to itself for each sensor with several jobs.
warnings.filterwarnings("ignore", "Parameter `owners` of initializer `SensorDefinition", dg.BetaWarning)

if are_wanted():  # here, as the process of a run is begun by Dagster and loads nothing else of ours before it works
    from invoice_pipelines.plain_logs import let_dagster_write_json

    let_dagster_write_json()

# The code server, which evaluates all sensors; the processes of runs, which it spawns, have its arguments as well.
if sys.argv[1:3] == ["api", "grpc"] and parent_process() is None:
    keep_sessions()


@dg.definitions
@cache  # or a warm worker would make all of them anew for each run of another job than before
def defs() -> dg.Definitions:
    """All that Dagster sees. Steps share the run's process: the work of a run is one organization's queue, and a
    process per step costs several times that.
    """
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(executor=dg.in_process_executor),
    )
