"""Parameters and metrics of a step, sent to MLflow when the job has a tracking server.

MLflow takes two seconds to import, as long as many steps work. So a process of its own does it, ``python -m
ml_jobs.tracking``, which a step starts early and tells at its end what to log; one that is told nothing ends quietly.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from ml_jobs import libraries

ADDRESS = "MLFLOW_TRACKING_URI"
# The default of seven retries keeps a job waiting for four minutes when nobody listens.
_RETRIES = "3"
_started: list["subprocess.Popen[str]"] = []


def begin() -> None:
    """Starts the process that will log, so that it is ready when the step has its figures."""
    if os.environ.get(ADDRESS) and not _started:
        _started.append(subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, text=True))


def log(parameters: Mapping[str, object], metrics: Mapping[str, float]) -> None:
    """Logs to the job's run, or does nothing where ``MLFLOW_TRACKING_URI`` is not set.

    Azure ML and the sandbox set the address, the run (``MLFLOW_RUN_ID``) and the token; the run is theirs to end.
    Without a run, one is made. Azure's address has the scheme ``azureml``, which only the plug-in ``azureml-mlflow``
    knows; that one caps MLflow below the version locked here. The server behind it speaks MLflow's own protocol, so
    the same address works as ``https``.

    A server that fails is a warning: the same numbers are in the step's output, and a trained model is not thrown
    away for their copy.
    """
    begin()
    if not _started:
        return
    told = {"parameters": {name: str(value) for name, value in parameters.items()}, "metrics": dict(metrics)}
    process = _started.pop()
    process.communicate(json.dumps(told))
    if process.returncode:
        print(f"warning: not logged to {ADDRESS}: the process for it ended with {process.returncode}", file=sys.stderr)


def _main() -> None:
    address = os.environ[ADDRESS].replace("azureml://", "https://", 1)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
    mlflow = libraries.mlflow()
    client = mlflow.MlflowClient(address)
    told = sys.stdin.read()
    if not told:  # the step failed before it had anything to log
        return
    figures, now = json.loads(told), int(time.time() * 1000)
    try:
        given = os.environ.get("MLFLOW_RUN_ID")
        run = given or client.create_run(os.environ.get("MLFLOW_EXPERIMENT_ID", "0")).info.run_id
        client.log_batch(
            run,
            metrics=[mlflow.entities.Metric(name, float(value), now, 0) for name, value in figures["metrics"].items()],
            params=[mlflow.entities.Param(name, value) for name, value in figures["parameters"].items()],
        )
        if not given:
            client.set_terminated(run)
    except mlflow.exceptions.MlflowException as error:
        password = urlsplit(address).netloc.rpartition("@")[0]
        text = str(error).partition("\n")[0].replace(f"{password}@", "")
        print(f"warning: not logged to {ADDRESS}: {text[:300]}", file=sys.stderr)


if __name__ == "__main__":
    _main()
