"""Fresh databases for the tests: copies of one migrated template, made ahead of their use.

A copy by FILE_COPY costs 60 ms in memory, by WAL_LOG 300 ms; while a test runs, a thread makes
the next. The template is migrated with the foundation rendered from the models as they are now, so
that a test never runs on an old schema; that the committed revision is the same is a test.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from infra import database
from infra.migrations import foundation
from infra.postgres import Cluster
from tests.servers.background import Background

TEMPLATE = "concord_template"
AHEAD = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """A migrated database with nothing in it, and how each role signs in."""

    name: str
    cluster: Cluster

    @property
    def url(self) -> str:
        return self.cluster.url(self.name, database.APP)

    @property
    def reader_url(self) -> str:
        return self.cluster.url(self.name, database.READER)

    @property
    def admin_url(self) -> str:
        return self.cluster.url(self.name)


class Databases:
    """Makes and drops databases in a thread of its own, over one connection."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._versions = folder / "versions"
        self._number = 0
        self._background = Background("databases")
        self._ahead: list[Future[Database]] = []
        self._admin: asyncpg.Connection | None = None

    def open(self) -> None:
        self._run(self._open()).result()
        self._ahead = [self._run(self._make()) for _ in range(AHEAD)]

    def take(self) -> Database:
        self._ahead.append(self._run(self._make()))
        return self._ahead.pop(0).result()

    def give_back(self, taken: Database) -> None:
        # Nobody waits for it; a failure comes up with the next database.
        self._run(self._drop(taken.name))

    def close(self) -> None:
        for made in self._ahead:
            made.result()
        if self._admin is not None:
            self._run(self._admin.close()).result()
        self._background.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        return self._background.run(coroutine)

    def make_schema(self, cluster: Cluster, name: str) -> None:
        """Make a migrated database on any server, from the models as they are now."""
        self._run(self._make_schema(cluster, name)).result()

    async def _open(self) -> None:
        shutil.copytree(foundation.REVISION.parent, self._versions)
        rendered = self._versions / foundation.REVISION.name
        rendered.write_text(foundation.render(), encoding="utf-8")
        await self._make_schema(self._cluster, TEMPLATE)
        self._admin = await asyncpg.connect(self._cluster.url())
        self._one_at_a_time = asyncio.Lock()

    async def _make_schema(self, cluster: Cluster, name: str) -> None:
        await database.prepare(cluster.url(), name)
        await database.migrate(cluster.url(name), versions=self._versions)

    async def _make(self) -> Database:
        async with self._one_at_a_time:
            self._number += 1
            name = f"concord_{self._number}"
            await self._admin.execute(
                f"CREATE DATABASE {name} OWNER {database.OWNER} TEMPLATE {TEMPLATE} "
                "STRATEGY FILE_COPY"
            )
            # Rights on a database are not copied with it.
            await self._admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            await self._admin.execute(
                f"GRANT CONNECT ON DATABASE {name} TO {database.APP}, {database.READER}"
            )
            return Database(name, self._cluster)

    async def _drop(self, name: str) -> None:
        async with self._one_at_a_time:
            await self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
