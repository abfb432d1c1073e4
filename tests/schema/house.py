"""The real schema over a database of the test's own: ask as anybody, act as anybody."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from odr.policy import Viewer
from odr.work import Office
from schema.context import Context
from schema.reader.document import Documents
from schema.schema import Api
from tests.odr import world


@dataclass
class House:
    """Office and schema on one database; `world` is who there is."""

    engine: AsyncEngine
    office: Office
    api: Api
    documents: Documents
    world: world.World
    errors: list[Any] = field(default_factory=list)

    def context(self, actor: Viewer) -> Context:
        return Context(self.office, actor)

    async def ask(self, actor: Viewer, text: str, **variables: Any) -> Any:
        """The data of a document that has no errors."""
        answer = await self.answer(actor, text, variables)
        for error in answer.errors:
            raise error.original_error or error
        return orjson.loads(answer.data)

    async def answer(self, actor: Viewer, text: str, variables: dict[str, Any]) -> Any:
        document = self.documents.get(text, None)
        values = document.values(variables)
        return await self.api.reader.execute(document, values, self.context(actor), variables)
