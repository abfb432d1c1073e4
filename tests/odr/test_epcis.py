"""EPCIS 2.0 events: documents that follow the standard are read, others refused where they fail."""

import copy
import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr import epcis
from odr.errors import Invalid

WHEN = {"eventTime": "2026-11-14T10:00:00.5+01:00", "eventTimeZoneOffset": "+01:00"}
SSCC = "urn:epc:id:sscc:0614141.1234567890"
ITEM = "urn:epc:id:sgtin:0614141.107346.2017"
ARRIVED = WHEN | {
    "type": "ObjectEvent",
    "action": "OBSERVE",
    "epcList": [SSCC],
    "bizStep": "arriving",
    "disposition": "in_transit",
    "readPoint": {"id": "urn:epc:id:sgln:0614141.07346.1234"},
    "bizLocation": {"id": "geo:52.52,13.405;u=35"},
    "errorDeclaration": {"declarationTime": "2026-11-15T10:00:00Z", "reason": "incorrect_data"},
    "persistentDisposition": {"set": ["completeness_verified"]},
    "sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 21.5}]}],
    "example:mine": {"a": [1, None]},
}
PACKED = WHEN | {
    "type": "AggregationEvent",
    "action": "ADD",
    "parentID": SSCC,
    "childEPCs": [f"{ITEM}{n}" for n in range(7)],
    "bizStep": "https://example.org/steps/wrapping",
    "childQuantityList": [{"epcClass": f"{ITEM}.*", "quantity": 2.5, "uom": "KGM"}],
}
JOINED = WHEN | {"type": "AssociationEvent", "action": "DELETE", "parentID": SSCC}
BOUGHT = WHEN | {
    "type": "TransactionEvent",
    "action": "ADD",
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x:po:1"}],
    "epcList": [],
    "sourceList": [{"type": "owning_party", "source": "urn:epc:id:pgln:0614141.00000"}],
    "destinationList": [{"type": "location", "destination": "urn:epc:id:sgln:0614141.00000.0"}],
}
MADE = WHEN | {
    "type": "TransformationEvent",
    "inputEPCList": [ITEM],
    "outputEPCList": [f"{ITEM}1"],
    "ilmd": {"example:batch": "B1"},
}
THEIRS = WHEN | {"type": "https://example.org/events/Handover", "colour": "red"}
EVENTS = [ARRIVED, PACKED, JOINED, BOUGHT, MADE, THEIRS]


def document(*events: Any, **more: Any) -> dict[str, Any]:
    return {
        "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld", {"e": "urn:e"}],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-11-14T10:00:00Z",
        "epcisBody": {"eventList": list(events)},
    } | more


def read(value: Any):
    return epcis.read(json.dumps(value).encode())


def refusal(value: Any) -> tuple[Any, str]:
    with pytest.raises(Invalid) as refused:
        read(value)
    return refused.value.path, refused.value.code


def test_a_document_s_events_are_told_in_the_order_of_their_times():
    later = ARRIVED | {"eventTime": "2026-11-14T09:30:00Z", "bizStep": "receiving"}
    first, second = read(document(later, ARRIVED, id="_:document1", sender="us"))
    assert [each.step for each in (first, second)] == ["arriving", "receiving"]
    assert first == epcis.Event(
        at=datetime.fromisoformat("2026-11-14T10:00:00.500000+01:00"),
        type="ObjectEvent",
        action="OBSERVE",
        step="arriving",
        disposition="in_transit",
        read_point="urn:epc:id:sgln:0614141.07346.1234",
        location="geo:52.52,13.405;u=35",
        epcs=(SSCC,),
        spot=(52.52, 13.405),
    )


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_every_type_of_event_is_read_in_a_document_and_alone(event):
    (found,) = read(document(event))
    assert found.type == event["type"]
    if event is not THEIRS:
        assert read(event | {"@context": "https://ref.gs1.org/x"}) == [found]
        assert refusal(event) == (("@context",), "missing")


def test_what_is_packed_names_its_parcel_first_and_counts_the_rest():
    (found,) = read(document(PACKED))
    assert (found.epcs[0], len(found.epcs), found.more_epcs) == (SSCC, 5, 3)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"7", b'"EPCISDocument"', b"{}", b"\xff", b'{"type": "Order"}'),
        *(b'{"type": {}}', b"[" * 100_000, b'{"type": "EPCISDocument", "x": NaN}'),
    ],
)
def test_what_is_no_epcis_is_none(data):
    assert epcis.read(data) is None


def test_a_file_beyond_the_limit_is_not_read():
    assert epcis.read(b" " * epcis.SIZE_MAX + b"{}") is None


@pytest.mark.parametrize("name", ["@context", "schemaVersion", "creationDate", "epcisBody"])
def test_a_document_has_all_its_members(name):
    value = document(ARRIVED)
    del value[name]
    assert refusal(value) == ((name,), "missing")


@pytest.mark.parametrize("event", EVENTS[:5], ids=lambda event: event["type"])
@pytest.mark.parametrize("name", ["eventTime", "eventTimeZoneOffset", "type"])
def test_an_event_has_its_time_its_zone_and_its_type(event, name):
    broken = {key: value for key, value in event.items() if key != name}
    assert refusal(document(ARRIVED, broken)) == (("epcisBody", "eventList", 1, name), "missing")


@pytest.mark.parametrize(
    ("event", "change", "code"),
    [
        (ARRIVED, {"eventTime": "2026-11-14"}, "malformed"),
        (ARRIVED, {"eventTime": "2026-13-14T10:00:00Z"}, "malformed"),
        (ARRIVED, {"eventTime": 7}, "malformed"),
        (ARRIVED, {"eventTimeZoneOffset": "+15:00"}, "malformed"),
        (ARRIVED, {"eventTimeZoneOffset": "Z"}, "malformed"),
        (ARRIVED, {"action": "LOOK"}, "unknown_value"),
        (ARRIVED, {"bizStep": "wrapping"}, "unknown_value"),
        (ARRIVED, {"bizStep": "https://ns.gs1.org/cbv/BizStep-shipping"}, "unknown_value"),
        (ARRIVED, {"bizStep": 1}, "malformed"),
        (ARRIVED, {"disposition": "lost"}, "unknown_value"),
        (ARRIVED, {"readPoint": "here"}, "malformed"),
        (ARRIVED, {"readPoint": {}}, "missing"),
        (ARRIVED, {"readPoint": {"id": "no address"}}, "malformed"),
        (ARRIVED, {"epcList": SSCC}, "malformed"),
        (ARRIVED, {"epcList": [1]}, "malformed"),
        (ARRIVED, {"ilmd": {}}, "not_applicable"),
        (ARRIVED, {"colour": "red"}, "unknown_field"),
        (ARRIVED, {"parentID": SSCC}, "unknown_field"),
        (ARRIVED, {"type": "LookEvent"}, "unknown_value"),
        (ARRIVED, {"type": ["ObjectEvent"]}, "unknown_value"),
        (ARRIVED, {"persistentDisposition": {"set": []}}, "empty"),
        (ARRIVED, {"errorDeclaration": {"reason": "incorrect_data"}}, "missing"),
        (ARRIVED, {"sensorElementList": [{}]}, "missing"),
        (PACKED, {"childQuantityList": [{"epcClass": ITEM, "quantity": "2"}]}, "malformed"),
        (PACKED, {"childQuantityList": [{"epcClass": ITEM, "uom": "kilo"}]}, "malformed"),
        (PACKED, {"childQuantityList": [{"quantity": 1}]}, "missing"),
        (PACKED, {"childQuantityList": [{"epcClass": ITEM, "e:x": 1}]}, "unknown_field"),
        (JOINED, {"action": "ADD"}, "missing"),
        (JOINED, {"action": "ADD", "childEPCs": []}, "missing"),
        (BOUGHT, {"bizTransactionList": []}, "missing"),
        (BOUGHT, {"bizTransactionList": [{"type": "gift"}]}, "missing"),
        (BOUGHT, {"sourceList": [{"type": "me", "source": SSCC}]}, "unknown_value"),
        (MADE, {"outputEPCList": []}, "missing"),
        (MADE, {"action": "ADD"}, "unknown_field"),
    ],
)
def test_a_rule_that_is_broken_is_named(event, change, code):
    path, found = refusal(document(event | change))
    assert found == code
    assert path[:3] == ("epcisBody", "eventList", 0)


@pytest.mark.parametrize("name", ["epcList", "action"])
def test_an_object_event_says_what_it_saw(name):
    broken = {key: value for key, value in ARRIVED.items() if key not in (name, "readPoint")}
    assert refusal(document(broken))[1] == "missing"


def test_what_a_sensor_saw_at_a_place_is_an_event():
    seen = {key: value for key, value in ARRIVED.items() if key != "epcList"}
    assert len(read(document(seen))) == 1


def test_too_many_events_or_too_deep_ones_are_refused():
    many = document(*[MADE] * (epcis.EVENTS_MAX + 1))
    assert refusal(many) == (("epcisBody", "eventList"), "too_many")
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    assert refusal(document(ARRIVED | {"e:x": deep}))[1] == "too_deep"


@pytest.mark.parametrize("place", ["geo:91,0", "geo:0,181", "geo:x,y", "geo:52.5", "urn:x:y"])
def test_a_place_that_is_no_spot_has_none(place):
    (found,) = read(document(ARRIVED | {"bizLocation": {"id": place}}))
    assert found.spot is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.sampled_from(EVENTS), st.data(), JUNK)
def test_no_value_anywhere_makes_the_reader_stumble(event, data, junk):
    value = copy.deepcopy(document(event))
    inner: Any = value
    while isinstance(inner, dict | list) and inner:
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        key = data.draw(st.sampled_from(list(keys)))
        if data.draw(st.booleans()) or not isinstance(inner[key], dict | list):
            inner[key] = junk
            break
        inner = inner[key]
    with suppress(Invalid):
        epcis.read(json.dumps(value).encode())
