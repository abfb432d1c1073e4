"""GraphQL over HTTP: what is understood, what is refused, and what an answer tells."""

import json
import logging

import pytest
from graphql import GraphQLError

from schema.http import Endpoint, TurnedAway
from schema.limits import Limits
from schema.reader.connections import Connections
from schema.reader.reading import Reader
from tests.schema.reader import library

RESPONSE = "application/graphql-response+json; charset=utf-8"
PLAIN = "application/json; charset=utf-8"
ME = "{ me { id } }"
ID = "me" + library.key(1, 1).hex


async def ask(http, body, headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json"} | (headers or {})
    return await http.post("/", content=content, headers=sent)


def code(response):
    (error,) = response.json()["errors"]
    return error["extensions"]["code"]


async def test_a_post_of_json_is_answered(endpoint, client):
    response = await ask(client(endpoint()), {"query": ME})
    assert response.status_code == 200
    assert response.headers["content-type"] == RESPONSE
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["data"] == {"me": {"id": ID}}
    assert "errors" not in response.json()


async def test_variables_and_the_operations_name_are_understood(endpoint, client):
    query = "query A { a: __typename } query B($f: Int!) { shelves(first: $f) { totalCount } }"
    body = {"query": query, "operationName": "B", "variables": {"f": 1}, "extensions": {}}
    response = await ask(client(endpoint()), body)
    assert response.json()["data"] == {"shelves": {"totalCount": 3}}


async def test_a_get_reads(endpoint, client):
    http = client(endpoint())
    response = await http.get("/", params={
        "query": "query ($f: Int!) { shelves(first: $f) { totalCount } }", "variables": '{"f": 2}',
    })  # fmt: skip
    assert response.status_code == 200
    assert response.json()["data"] == {"shelves": {"totalCount": 3}}


async def test_a_get_never_acts(endpoint, client, librarian):
    http = client(endpoint())
    act = f'mutation {{ rename(shelf: "sh{library.key(2, 1).hex}", name: "got") {{ said }} }}'
    response = await http.get("/", params={"query": act})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert not await librarian.fetchval("SELECT count(*) FROM shelves WHERE name = 'got'")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_refused(endpoint, client, method):
    response = await client(endpoint()).request(method, "/", json={"query": ME})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "kind",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/graphql", "application/json; charset=latin-1", "application/jsonp",
    ],
)  # fmt: skip
async def test_a_body_that_a_foreign_pages_form_could_send_is_refused(endpoint, client, kind):
    response = await ask(client(endpoint()), {"query": ME}, {"content-type": kind})
    assert response.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"null", b'"x"', b"[]", [{"query": ME}, {"query": ME}], {},
        {"query": None},
        {"query": 5}, {"query": ME, "variables": []}, {"query": ME, "variables": "{}"},
        {"query": ME, "operationName": 1}, {"query": ME, "extensions": "x"},
    ],
)  # fmt: skip
async def test_a_malformed_or_batched_request_is_refused(endpoint, client, body):
    response = await ask(client(endpoint()), body)
    assert response.status_code == 400
    assert code(response) == ("BATCH" if isinstance(body, list) or body == b"[]" else "BAD_REQUEST")
    plain = await ask(client(endpoint()), body, {"accept": "application/json"})
    assert plain.status_code == 400


@pytest.mark.parametrize(
    "query", ["query=%7Bx", "query=a&query=b", "variables=%7B%7D", "query=x&variables=1"]
)
async def test_a_malformed_query_string_is_refused(endpoint, client, query):
    assert (await client(endpoint()).get("/?" + query)).status_code == 400


async def test_a_request_that_is_too_large_is_refused_while_it_is_read(endpoint, client):
    http = client(endpoint(limits_=Limits(body_bytes_max=1000)))
    large = json.dumps({"query": ME, "variables": {"x": "y" * 1000}}).encode()

    async def chunks():
        for start in range(0, len(large), 100):
            yield large[start : start + 100]

    headers = {"content-type": "application/json"}
    for content in (large, chunks()):
        response = await http.post("/", content=content, headers=headers)
        assert response.status_code == 413
    assert (await http.get("/", params={"query": "{a}" + "#" * 1000})).status_code == 413


@pytest.mark.parametrize(
    ("accept", "kind", "status"),
    [
        ("", RESPONSE, 400),
        ("*/*", RESPONSE, 400),
        ("text/html, */*;q=0.1", RESPONSE, 400),
        ("application/graphql-response+json", RESPONSE, 400),
        ("application/json, application/graphql-response+json;q=0.5", RESPONSE, 400),
        ("application/json", PLAIN, 200),
        ("Application/JSON; charset=utf-8", PLAIN, 200),
        ("text/html", "application/graphql-response+json", 406),
        ("application/json;q=0", "application/graphql-response+json", 406),
    ],
)
async def test_the_answers_type_is_what_the_client_accepts(endpoint, client, accept, kind, status):
    http = client(endpoint())
    invalid = await ask(http, {"query": "{ nothing }"}, {"accept": accept})
    assert (invalid.status_code, invalid.headers["content-type"]) == (status, kind)
    valid = await ask(http, {"query": ME}, {"accept": accept})
    assert valid.status_code == (406 if status == 406 else 200)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ me { nam } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ me { shelves(frist: 1) { totalCount } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ shelves(first: 1, kind: OKA) { totalCount } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ... on Membre { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ me { name }", "GRAPHQL_PARSE_FAILED"),
        ("query A { __typename } query B { __typename }", "OPERATION_RESOLUTION_FAILURE"),
        ("fragment A on Member { id }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { x }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($x: Int!) { shelves(first: $x) { totalCount } }", "BAD_USER_INPUT"),
        ('query ($x: Int = 1) { shelves(first: $x, after: "zz") { totalCount } }', "BAD_CURSOR"),
    ],
)  # fmt: skip
async def test_a_document_that_cannot_run_says_why_and_suggests_nothing(
    endpoint, client, query, expected
):
    response = await ask(client(endpoint()), {"query": query})
    assert response.status_code == 400
    assert "data" not in response.json()
    for error in response.json()["errors"]:
        assert error["extensions"]["code"] == expected
        assert "Did you mean" not in error["message"]


async def test_variables_suggest_no_names_either(endpoint, client):
    query = """
      query ($k: Kind, $f: BookFilter) {
        shelves(first: 1, kind: $k) { totalCount }
        books(first: 1, search: $f) { totalCount }
      }
    """
    response = await ask(
        client(endpoint()), {"query": query, "variables": {"k": "OKA", "f": {"lnt": True}}}
    )
    assert response.status_code == 400
    assert len(response.json()["errors"]) == 2
    assert "Did you mean" not in response.text


async def test_a_malformed_scalar_says_how_it_is_written(endpoint, client):
    query = "query ($s: DateTime) { shelves(first: 1, since: $s) { totalCount } }"
    response = await ask(client(endpoint()), {"query": query, "variables": {"s": "yesterday"}})
    assert code(response) == "BAD_USER_INPUT"
    assert "RFC 3339" in response.text


async def test_a_string_with_a_zero_is_refused_and_not_a_fault(endpoint, client):
    query = "query ($t: [String!]) { books(first: 1, search: {titles: $t}) { totalCount } }"
    response = await ask(client(endpoint()), {"query": query, "variables": {"t": ["a\0"]}})
    assert response.status_code == 400
    assert code(response) == "BAD_USER_INPUT"


async def test_an_unexpected_error_is_masked_and_found_in_the_log_by_its_id(
    endpoint, client, caplog
):
    with caplog.at_level(logging.ERROR, "schema.http"):
        response = await ask(client(endpoint()), {"query": "{ broken me { id } }"})
    assert response.status_code == 200
    assert response.json()["data"] == {"broken": None, "me": {"id": ID}}
    (error,) = response.json()["errors"]
    assert error["message"] == "internal error"
    assert error["path"] == ["broken"]
    assert "secret" not in response.text
    assert error["extensions"]["id"] in caplog.text
    assert "a secret of the house" in caplog.text


async def test_a_refusal_that_a_resolver_lets_out_is_put_into_words_by_the_edge(endpoint, client):
    def words(refused):
        return GraphQLError("Not there.", extensions={"code": type(refused).__name__})

    masked = await ask(client(endpoint()), {"query": "{ missing }"})
    assert code(masked) == "INTERNAL"
    told = await ask(client(endpoint(refused=words)), {"query": "{ missing }"})
    assert code(told) == "NotFound"


async def test_the_schema_is_told_only_to_those_who_may_ask(endpoint, client):
    query = {"query": "{ ...A } fragment A on Query { __schema { queryType { name } } __typename }"}
    stranger = await ask(client(endpoint()), query)
    assert (stranger.status_code, code(stranger)) == (400, "INTROSPECTION_OFF")
    served = endpoint(introspection=lambda context: context.viewer.parameters["trusted"] is False)
    known = await ask(client(served), query)
    assert known.json()["data"]["__schema"] == {"queryType": {"name": "Query"}}
    assert (await ask(client(endpoint()), {"query": "{ __typename }"})).status_code == 200


async def test_whoever_is_not_signed_in_is_turned_away_by_the_context(endpoint, client):
    response = await ask(client(endpoint()), {"query": ME}, {"member": "nobody"})
    assert (response.status_code, code(response)) == (401, "UNAUTHENTICATED")


async def test_a_page_runs_a_document_in_process(endpoint):
    served = endpoint()
    context = library.Context(library.viewer(1))
    result = await served.execute(ME, context=context)
    assert result.parsed()["data"] == {"me": {"id": ID}}
    with pytest.raises(TurnedAway):
        await served.execute('mutation { rename(shelf: "", name: "") { said } }',
                             context=context, only_query=True)  # fmt: skip


async def test_a_browser_is_shown_the_explorer_where_there_is_one(endpoint, client):
    examples = {"A </script> & more": "{ me { id } } # </script>"}
    page = await client(endpoint(examples=examples)).get("/", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.text.count("</script>") == 2
    policy = page.headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert page.text.count(f'nonce="{nonce}"') == 3
    assert "http://" not in page.text
    assert "https://" not in page.text
    again = await client(endpoint(examples=examples)).get("/", headers={"accept": "text/html"})
    assert nonce not in again.text
    none = await client(endpoint()).get("/", headers={"accept": "text/html"})
    assert none.status_code == 406


async def test_a_database_that_does_not_answer_is_told_as_worth_a_repeat(client, tmp_path, caplog):
    nowhere = Connections(f"postgresql://nobody@/nothing?host={tmp_path}")

    async def context(_request):
        return library.Context(library.viewer(1))

    http = client(Endpoint(Reader(library.schema(), nowhere), context))
    response = await ask(http, {"query": ME})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE", "retryable": True}
    assert str(tmp_path) not in response.text
    partly = await ask(http, {"query": "{ plain me { id } }"})
    assert partly.status_code == 200
    assert partly.json()["data"] == {"plain": "xx", "me": None}
    assert code(partly) == "UNAVAILABLE"
    assert "a reading failed" in caplog.text
    plain = await ask(http, {"query": ME}, {"accept": "application/json"})
    assert plain.status_code == 503
