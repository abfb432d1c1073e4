"""The service as one application: where its parts are found."""

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
