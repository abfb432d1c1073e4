"""The service as one application: where its parts are found."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import parts
from infra import site as sites
from infra.settings import Rail, Settings
from odr.rails.http import ANSWER_BYTES_MAX
from tests.journeys import hall as halls
from web import reading


async def test_the_api_is_at_its_address_with_or_without_a_slash(database, tmp_path):
    async with halls.opened(database, tmp_path) as hall:
        buyer = await hall.person("buyer")
        asked = {"query": reading.document("home")}
        for path in ("/graphql", "/graphql/"):
            answer = await buyer.client.post(path, json=asked, follow_redirects=False)
            assert answer.status_code == 200
            assert answer.json()["data"]["me"]["name"] == "Buyer"
            page = await buyer.client.get(
                path, headers={"accept": "text/html"}, follow_redirects=False
            )
            assert page.status_code == 200


def told(folder: Path, database: Any, rail: Rail) -> Settings:
    return Settings(
        folder=folder,
        database_url=database.url,
        database_reader_url=database.reader_url,
        rail=rail,
        rail_url="http://127.0.0.1:9" if rail is Rail.FAKE else None,
    )


@pytest.mark.parametrize("rail", list(Rail))
async def test_the_fake_rail_is_heard_only_where_it_is_the_rail(database, tmp_path, rail):
    """Its secret is public: whoever signs with it must not say what was paid."""
    async with parts.opened(told(tmp_path, database, rail)) as made, sites.opened(made) as site:
        transport = httpx.ASGITransport(app=site.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post("/rails/fake", content=b"{}")
            assert answer.status_code == (400 if rail is Rail.FAKE else 404)


async def test_what_the_rail_tells_has_a_length(database, tmp_path):
    fake = told(tmp_path, database, Rail.FAKE)
    async with parts.opened(fake) as made, sites.opened(made) as site:
        transport = httpx.ASGITransport(app=site.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for size, status in ((ANSWER_BYTES_MAX, 400), (ANSWER_BYTES_MAX + 1, 413)):
                answer = await client.post("/rails/fake", content=b" " * size)
                assert answer.status_code == status
