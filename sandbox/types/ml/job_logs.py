"""Logs of jobs that are gone: kept in storage like all that a job leaves, and nobody's."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.store.blobs import BlobError
from sandbox.store.db import Store

KEPT = timedelta(days=90)  # since they were written
_BEGIN = "ExperimentRun/dcid."
_LOGS = ("user_logs/", "system_logs/", "logs/")
_JOBS = "microsoft.machinelearningservices/workspaces/jobs"


async def forget(azure: Azure) -> None:
    """Remove the logs of jobs that are gone; what else they left may be a model's or an asset's content."""
    for account, container, name in await asyncio.to_thread(_left, azure.store, clock.timestamp(KEPT)):
        with suppress(BlobError):  # somebody was faster
            await azure.blobs.delete(account, container, name)


def _left(store: Store, before: str) -> list[tuple[str, str, str]]:
    """Account, container and name of each; a job of a workspace that can be recovered is not gone."""
    with store.moment() as reader:
        rows = reader.all(
            "SELECT blobs.account, container, blobs.name FROM containers JOIN blobs ON blobs.account = "
            "containers.account AND container = containers.name AND blobs.name >= ? AND blobs.name < ? "
            "WHERE blobs.modified < ?",
            (_BEGIN, "ExperimentRun/dcid/", before),
        )
        logs = {}
        for row in rows:
            job, _, what = row["name"].removeprefix(_BEGIN).partition("/")
            if what.startswith(_LOGS):
                logs[row["account"], row["container"], row["name"]] = job.lower()
        if not logs:
            return []
        keys = reader.all("SELECT key FROM resources WHERE kind = ?", (_JOBS,))
        deleted = reader.all(
            "SELECT json_extract(value, '$.key') AS key FROM deleted, json_each(deleted.rows) "
            "WHERE json_extract(value, '$.kind') = ?",
            (_JOBS,),
        )
        there = {row["key"].rpartition("/")[2] for row in (*keys, *deleted)}
        return [where for where, job in logs.items() if job not in there]
