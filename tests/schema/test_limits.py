"""What an operation may ask for: each limit refuses with its name, before anything is read."""

import json

import pytest
from graphql import get_introspection_query, parse

from schema import limits
from schema.limits import Cost, Limits, LocalBuckets, Rate
from schema.reader.document import Refused
from tests.schema.reader import library
from web.reading import OPERATIONS

ME = library.viewer(1)


async def refused(endpoint, document, bounds=None):
    served = endpoint(limits_=Limits(**(bounds or {})))
    result = await served.execute(document, context=library.Context(ME))
    assert result.status == 400
    (error,) = result.parsed()["errors"]
    return error["extensions"]


@pytest.mark.parametrize(
    ("limit", "bound", "document"),
    [
        ("characters", {"characters_max": 20}, "{ me { name } }      #"),
        ("depth", {"depth_max": 2}, "{ me { ...A } } fragment A on Member { shelves { nodes } }"),
        ("aliases", {"aliases_max": 1}, "{ a: me { ...A ...A } } fragment A on Member { b: name }"),
        ("directives", {"directives_max": 1}, "{ me @skip(if: true) { name @skip(if: true) } }"),
        ("rootFields", {"root_fields_max": 2}, "{ me { id } ... { __typename b: __typename } }"),
        ("pairs", {"pairs_max": 2}, "{ me { name name } more: me { name } }"),
        ("nodes", {"nodes_max": 19},
         "{ shelves(first: 4) { nodes { page(last: 4) { totalCount } } } }"),
        ("cost", {"cost_max": 60}, "{ shelves(first: 5) { nodes { books { shouted } } } }"),
    ],
)  # fmt: skip
async def test_a_document_over_a_limit_is_refused_with_its_name(endpoint, limit, bound, document):
    told = await refused(endpoint, document, bound)
    assert told["code"] == limits.LIMIT
    assert told["limit"] == limit
    assert told["maximum"] < told["requested"]
    ((name, maximum),) = bound.items()
    await endpoint(limits_=Limits(**{name: told["requested"]})).execute(
        document, context=library.Context(ME)
    )
    assert told["maximum"] == maximum


async def test_too_many_tokens_are_refused(endpoint):
    told = await refused(endpoint, "{ me { name } }", {"tokens_max": 5})
    assert told == {"code": "LIMIT", "limit": "tokens", "maximum": 5}


@pytest.mark.parametrize(
    "page", ["", "(first: 101)", "(first: 0)", "(last: -1)", "(first: 1, last: 1)"]
)
async def test_a_page_without_a_size_or_with_a_wrong_one_is_refused(endpoint, page):
    assert await refused(endpoint, f"{{ shelves{page} {{ totalCount }} }}") == {"code": "BAD_PAGE"}
    nested = f"{{ me {{ shelves{page} {{ totalCount }} }} }}"
    assert await refused(endpoint, nested) == {"code": "BAD_PAGE"}


async def test_a_page_size_by_variable_is_looked_at_each_time(endpoint):
    served = endpoint(limits_=Limits(page_max=10))
    document = "query ($n: Int) { shelves(first: $n) { totalCount } }"
    for size, status in ((10, 200), (11, 400), (None, 400), (1, 200)):
        result = await served.execute(document, {"n": size}, context=library.Context(ME))
        assert result.status == status


async def test_fragments_that_double_are_counted_without_being_expanded(endpoint):
    spreads = " ".join(f"fragment F{n} on Member {{ ...F{n + 1} ...F{n + 1} }}" for n in range(200))
    document = "{ me { ...F0 } } " + spreads + " fragment F200 on Member { a: name }"
    told = await refused(endpoint, document)
    assert told["limit"] == "aliases"
    assert told["requested"] == 2**53 - 1


async def test_fragments_that_spread_themselves_are_refused(endpoint):
    document = "{ me { ...A } } fragment A on Member { ...B } fragment B on Member { ...A }"
    told = await refused(endpoint, document)
    assert told["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_the_cost_is_told_with_every_answer(endpoint):
    document = "{ shelves(first: 5) { nodes { name books { shouted } } totalCount } }"
    result = await endpoint().execute(document, context=library.Context(ME))
    # one connection, five shelves, and ten books each, of which each computes a field
    expected = {"requested": 1 + 5 * (1 + 10 * 2), "limit": Limits().cost_max}
    assert result.parsed()["extensions"]["cost"] == expected


def test_the_cost_follows_the_variables(asked):
    document = asked.documents.get(
        "query ($n: Int!) { shelves(first: $n) { nodes { page(last: 3) { nodes { id } } } } }", None
    )
    catalogue = asked.reader.catalogue
    for n, cost in ((1, Cost(6, 4)), (2, Cost(11, 8)), (1, Cost(6, 4))):
        assert limits.measure(Limits(), catalogue, document, document.values({"n": n})) == cost
    with pytest.raises(Refused):
        limits.measure(Limits(cost_max=5), catalogue, document, document.values({"n": 1}))


async def test_an_answer_that_takes_too_long_is_given_up_and_may_be_tried_again(endpoint):
    served = endpoint(limits_=Limits(execution_seconds_max=0.05))
    result = await served.execute("{ slow }", context=library.Context(ME))
    assert result.status == 503
    (error,) = result.parsed()["errors"]
    assert error["extensions"] == {"code": "TIMEOUT", "retryable": True}


async def test_an_actor_who_asks_too_much_at_once_waits(endpoint, client):
    now = [0.0]
    buckets = LocalBuckets(Rate(burst=6, per_second=1), clock=lambda: now[0])
    served = endpoint(buckets=buckets, actor=lambda context: str(context.viewer.parameters))
    http = client(served)

    # The document is new once, which costs three.
    async def ask(member):
        return await http.post("/", json={"query": "{ me { id } }"}, headers={"member": member})

    assert [(await ask("1")).status_code for _ in range(4)] == [200, 200, 200, 429]
    last = await ask("1")
    assert last.headers["retry-after"] == "2"
    assert json.loads(last.content)["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert (await ask("2")).status_code == 200
    now[0] = 1.0
    assert [(await ask("1")).status_code for _ in range(2)] == [200, 429]


async def test_a_bucket_fills_with_time_and_no_further():
    now = [0.0]
    buckets = LocalBuckets(Rate(burst=10, per_second=2), actors_max=2, clock=lambda: now[0])
    assert (await buckets.take("a", 25)).paid  # more than it ever holds empties a full bucket
    refused_ = await buckets.take("a", 4)
    assert (refused_.paid, refused_.left, refused_.retry_after_seconds) == (False, 0, 2.0)
    now[0] = 100.0
    assert (await buckets.take("a", 3)).left == 7
    await buckets.take("b", 10)
    await buckets.take("c", 1)
    assert (await buckets.take("a", 10)).paid  # forgotten, and therefore full again


async def test_a_new_document_is_paid_for_before_it_is_looked_at(endpoint):
    """Or an actor whose documents are all refused, each dear to look at, would pay nothing."""
    buckets = LocalBuckets(Rate(burst=1_000, per_second=0.001))
    served = endpoint(buckets=buckets)

    async def ask(document):
        return (await served.execute(document, context=library.Context(ME))).status

    long = "{ me { nothing } } #" + "x" * 3_000
    assert await ask(long) == 400
    assert await ask(long + "y") == 429
    assert await ask("{ me { id } }") == 200


def test_the_usual_introspection_passes_and_a_second_one_in_it_does_not(house):
    documents, catalogue = house.documents, house.api.reader.catalogue

    def cost(document):
        found = documents.get(document, None)
        return limits.measure(Limits(), catalogue, found, found.values({})).requested

    usual = get_introspection_query()
    assert 1_000 < cost(usual) < Rate().burst
    twice = usual.replace("__schema {", "more: __schema { types { ...FullType } } __schema {", 1)
    for dear in (
        twice,
        "{ __schema { " + " ".join(f"a{n}: types {{ ...F }}" for n in range(50)) + " } }"
        " fragment F on __Type { fields { name args { name } type { name } } }",
    ):
        with pytest.raises(Refused) as refused_:
            cost(dear)
        assert refused_.value.errors[0].extensions["limit"] == "introspection"


def test_a_document_of_the_pages_is_far_below_the_limits():
    for path in OPERATIONS.rglob("*.graphql"):
        tight = Limits(pairs_max=Limits().pairs_max // 4)
        limits.check_document(tight, parse(path.read_text(encoding="utf-8")))


def test_all_limits_can_be_told():
    told = Limits().told()
    assert told["page_max"] == 100
    assert set(told) == set(Limits.__dataclass_fields__)
