"""EPCIS 2.0 events in JSON (GS1; ISO/IEC 19987:2024), read as they are: what a parcel's events say.

An `EPCISDocument` or a single event is checked against the standard's own shape (clauses 7.3 and
7.4, and its JSON binding in 9.4): the members that each type of event must and may have, their
types, GS1's words for business step, disposition and action; members from elsewhere carry a
prefix or are whole addresses. Written out here and not run from GS1's JSON Schema, which has no
licence that lets it be brought along; sensor reports and master data are taken as objects that
nobody looks into.

Read strictly: a document that breaks a rule is ``Invalid`` at its path. What is not one of these
documents at all is None. What an event says is not believed, only shown. The module is pure.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from odr.bounds import Path
from odr.errors import Invalid

SIZE_MAX: Final = 4 * 1024 * 1024
EVENTS_MAX: Final = 2000
DEPTH_MAX: Final = 40
_EPCS_SHOWN: Final = 5
_TEXT_MAX: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is shown of an event; ``at`` in the zone that it names, words as GS1 spells them."""

    at: datetime
    type: str
    action: str = ""
    step: str = ""
    disposition: str = ""
    read_point: str = ""
    location: str = ""
    epcs: tuple[str, ...] = ()
    more_epcs: int = 0
    spot: tuple[float, float] | None = None


def read(data: bytes) -> list[Event] | None:
    """The events of a document, in the order of their times; None if it is no EPCIS at all.

    ``Invalid`` with the path and ``malformed``, ``missing``, ``unknown_field``, ``unknown_value``,
    ``too_many`` or ``too_deep`` if it says that it is and breaks the standard.
    """
    if len(data) > SIZE_MAX:
        return None
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not _claims(value):
        return None
    _shallow(value)
    if value["type"] == "EPCISDocument":
        events = _document(value)
        path: Path = ("epcisBody", "eventList")
        found = [_event(each, (*path, number)) for number, each in enumerate(events)]
    else:
        _required(value, ("@context",), ())
        found = [_event(value, ())]
    return sorted(found, key=lambda event: event.at)


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _claims(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    is_event = isinstance(kind, str) and kind in _EVENTS
    return kind == "EPCISDocument" or (is_event and "eventTime" in value)


def _shallow(value: Any) -> None:
    level, left = [value], DEPTH_MAX
    while level:
        left -= 1
        if left < 0:
            raise Invalid((), "too_deep", maximum=DEPTH_MAX)
        dicts = [each for each in level if isinstance(each, dict)]
        lists = [each for each in level if isinstance(each, list)]
        level = [member for each in dicts for member in each.values()]
        level += [member for each in lists for member in each]


# --- the shapes ----------------------------------------------------------------------------------

Shape = Callable[[Any, Path], None]

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")
_PREFIXED: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s]+")
_ZONE: Final = re.compile(r"[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00)", re.ASCII)
_VERSION: Final = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _matching(pattern: re.Pattern[str]) -> Shape:
    def check(value: Any, path: Path) -> None:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise Invalid(path, "malformed")

    return check


def _word(listed: str) -> Shape:
    words = frozenset(listed.split())

    def check(value: Any, path: Path) -> None:
        """GS1's own word, or somebody else's by its address."""
        if not isinstance(value, str):
            raise Invalid(path, "malformed")
        if value not in words and (not _URI.fullmatch(value) or _GS1.match(value)):
            raise Invalid(path, "unknown_value", value=value[:60])

    return check


_GS1: Final = re.compile(r"urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/")


def _one_of(*words: str) -> Shape:
    def check(value: Any, path: Path) -> None:
        if value not in words:
            raise Invalid(path, "unknown_value")

    return check


def _list_of(shape: Shape, *, least: int = 0, unique: bool = False) -> Shape:
    def check(value: Any, path: Path) -> None:
        if not isinstance(value, list):
            raise Invalid(path, "malformed")
        if len(value) < least:
            raise Invalid(path, "empty", minimum=least)
        for number, each in enumerate(value):
            shape(each, (*path, number))
        if unique and len(set(value)) != len(value):
            raise Invalid(path, "listed_twice")

    return check


def _object(value: Any, path: Path) -> None:
    if not isinstance(value, dict):
        raise Invalid(path, "malformed")


def _number(value: Any, path: Path) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(path, "malformed")


def _text(value: Any, path: Path) -> None:
    if not isinstance(value, str):
        raise Invalid(path, "malformed")


def _time(value: Any, path: Path) -> None:
    _matching(_TIME)(value, path)
    try:
        datetime.fromisoformat(value.upper())
    except ValueError:
        raise Invalid(path, "malformed") from None


def _context(value: Any, path: Path) -> None:
    """JSON-LD's context: addresses and objects."""
    given = value if isinstance(value, list) else [value]
    for number, each in enumerate(given):
        if not isinstance(each, dict):
            _uri(each, path)
        if each in given[:number]:
            raise Invalid(path, "listed_twice")


class _Others(Enum):
    """Which other members an object may have."""

    NONE = re.compile(r"(?!)")
    PREFIXED = _PREFIXED
    ANY = re.compile(r".*", re.DOTALL)


def _members(
    shapes: Mapping[str, Shape], required: tuple[str, ...], others: _Others = _Others.PREFIXED
) -> Shape:
    """An object with these members, and others of somebody else's vocabulary."""

    def check(value: Any, path: Path) -> None:
        _object(value, path)
        _required(value, required, path)
        for name, member in value.items():
            if name in shapes:
                shapes[name](member, (*path, name))
            elif not others.value.fullmatch(name):
                raise Invalid((*path, name[:60]), "unknown_field")

    return check


def _required(value: Mapping[str, Any], names: tuple[str, ...], path: Path) -> None:
    for name in names:
        if name not in value:
            raise Invalid((*path, name), "missing")


_uri: Final = _matching(_URI)
_unit: Final = _matching(re.compile(r"[A-Z0-9]{2,3}"))
"""UN/ECE Recommendation 20's code of a unit."""

_place: Final = _members({"id": _uri}, ("id",), _Others.ANY)
_epcs: Final = _list_of(_uri)
_quantities: Final = _list_of(
    _members({"epcClass": _uri, "quantity": _number, "uom": _unit}, ("epcClass",), _Others.NONE)
)
_step: Final = _word(
    "accepting arriving assembling collecting commissioning consigning creating_class_instance"
    " cycle_counting decommissioning departing destroying disassembling dispensing encoding"
    " entering_exiting holding inspecting installing killing loading other packing picking"
    " receiving removing repackaging repairing replacing reserving retail_selling sampling"
    " sensor_reporting shipping staging_outbound stock_taking stocking storing transporting"
    " unloading unpacking void_shipping"
)
_disposition: Final = _word(
    "active available completeness_inferred completeness_verified conformant container_closed"
    " container_open damaged destroyed dispensed disposed encoded expired in_progress in_transit"
    " inactive mismatch_class mismatch_instance mismatch_quantity needs_replacement"
    " no_pedigree_match non_conformant non_sellable_other partially_dispensed recalled reserved"
    " retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown"
)
_transaction_type: Final = _word(
    "bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt"
)
_end: Final = _word("location owning_party possessing_party")
_persistent: Final = _members(
    {
        "set": _list_of(_disposition, least=1, unique=True),
        "unset": _list_of(_disposition, least=1, unique=True),
    },
    (),
    _Others.NONE,
)
_error: Final = _members(
    {
        "declarationTime": _time,
        "reason": _word("did_not_occur incorrect_data"),
        "correctiveEventIDs": _list_of(_uri),
    },
    ("declarationTime",),
)
_sensor: Final = _members(
    {"sensorMetadata": _object, "sensorReport": _list_of(_object)}, ("sensorReport",)
)


def _certificates(value: Any, path: Path) -> None:
    for each in value if isinstance(value, list) else [value]:
        _uri(each, path)


_OF_ANY: Final[dict[str, Shape]] = {
    "@context": _context,
    "type": _text,
    "eventTime": _time,
    "recordTime": _time,
    "eventTimeZoneOffset": _matching(_ZONE),
    "eventID": _uri,
    "certificationInfo": _certificates,
    "errorDeclaration": _error,
    "bizStep": _step,
    "disposition": _disposition,
    "readPoint": _place,
    "bizLocation": _place,
    "bizTransactionList": _list_of(
        _members(
            {"type": _transaction_type, "bizTransaction": _uri}, ("bizTransaction",), _Others.NONE
        )
    ),
    "sourceList": _list_of(
        _members({"type": _end, "source": _uri}, ("type", "source"), _Others.NONE)
    ),
    "destinationList": _list_of(
        _members({"type": _end, "destination": _uri}, ("type", "destination"), _Others.NONE)
    ),
    "sensorElementList": _list_of(_sensor),
}
_action: Final = _one_of("OBSERVE", "ADD", "DELETE")
_CHILDREN: Final[dict[str, Shape]] = {
    "action": _action,
    "parentID": _uri,
    "childEPCs": _epcs,
    "childQuantityList": _quantities,
}
_OBJECTS: Final[dict[str, Shape]] = {
    "action": _action,
    "epcList": _epcs,
    "quantityList": _quantities,
}
_LASTING: Final[dict[str, Shape]] = {"persistentDisposition": _persistent}
_ALWAYS: Final = ("eventTime", "eventTimeZoneOffset")

_EVENTS: Final[Mapping[str, Shape]] = {
    "ObjectEvent": _members(
        _OF_ANY | _OBJECTS | _LASTING | {"ilmd": _members({}, ())}, (*_ALWAYS, "action")
    ),
    "AggregationEvent": _members(_OF_ANY | _CHILDREN | _LASTING, (*_ALWAYS, "action")),
    "AssociationEvent": _members(_OF_ANY | _CHILDREN, (*_ALWAYS, "action", "parentID")),
    "TransactionEvent": _members(
        _OF_ANY | _OBJECTS | _LASTING | {"parentID": _uri},
        (*_ALWAYS, "action", "bizTransactionList"),
    ),
    "TransformationEvent": _members(
        _OF_ANY
        | _LASTING
        | {
            "inputEPCList": _epcs,
            "outputEPCList": _epcs,
            "inputQuantityList": _quantities,
            "outputQuantityList": _quantities,
            "transformationID": _uri,
            "ilmd": _members({}, ()),
        },
        _ALWAYS,
    ),
}
"""GS1's types of event."""

_extended: Final = _members(_OF_ANY, _ALWAYS, _Others.ANY)
"""An event of somebody else's type, which is an address (7.4.7)."""

_document_shape: Final = _members(
    {
        "@context": _context,
        "id": _text,
        "type": _text,
        "schemaVersion": _matching(_VERSION),
        "creationDate": _time,
        "instanceIdentifier": _text,
        "sender": _text,
        "receiver": _text,
        "epcisHeader": _object,
        "epcisBody": _members({"eventList": _list_of(_object)}, ("eventList",), _Others.ANY),
    },
    ("@context", "type", "schemaVersion", "creationDate", "epcisBody"),
)


def _document(value: Mapping[str, Any]) -> list[Any]:
    _document_shape(value, ())
    events: list[Any] = value["epcisBody"]["eventList"]
    if len(events) > EVENTS_MAX:
        raise Invalid(("epcisBody", "eventList"), "too_many", maximum=EVENTS_MAX)
    return events


# --- what a shape cannot say ---------------------------------------------------------------------

_ANY_OF: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "ObjectEvent": (("epcList",), ("quantityList",), ("sensorElementList", "readPoint")),
    "AggregationEvent": (("childEPCs",), ("childQuantityList",)),
    "AssociationEvent": (("childEPCs",), ("childQuantityList",)),
    "TransactionEvent": (("bizTransactionList", "epcList"), ("bizTransactionList", "quantityList")),
    "TransformationEvent": (
        ("inputEPCList", "outputEPCList"),
        ("inputEPCList", "outputQuantityList"),
        ("inputQuantityList", "outputEPCList"),
        ("inputQuantityList", "outputQuantityList"),
        ("transformationID", "inputEPCList"),
        ("transformationID", "inputQuantityList"),
        ("transformationID", "outputEPCList"),
        ("transformationID", "outputQuantityList"),
    ),
}
"""What an event is about: all members of at least one of these (7.4.2 to 7.4.6), none empty."""

_MAY_BE_EMPTY: Final = frozenset({"epcList"})


def _event(value: Mapping[str, Any], path: Path) -> Event:
    _required(value, ("type",), path)
    kind = value["type"]
    if not isinstance(kind, str) or (kind not in _EVENTS and not _URI.fullmatch(kind)):
        raise Invalid((*path, "type"), "unknown_value")
    _EVENTS.get(kind, _extended)(value, path)
    _whole(kind, value, path)
    epcs = [
        epc
        for name in ("epcList", "childEPCs", "inputEPCList", "outputEPCList")
        for epc in value.get(name, ())
    ]
    if "parentID" in value:
        epcs.insert(0, value["parentID"])
    read_point = value.get("readPoint", {}).get("id", "")
    location = value.get("bizLocation", {}).get("id", "")
    return Event(
        at=datetime.fromisoformat(value["eventTime"].upper()),
        type=kind,
        action=value.get("action", ""),
        step=value.get("bizStep", "")[:_TEXT_MAX],
        disposition=value.get("disposition", "")[:_TEXT_MAX],
        read_point=read_point[:_TEXT_MAX],
        location=location[:_TEXT_MAX],
        epcs=tuple(epc[:_TEXT_MAX] for epc in epcs[:_EPCS_SHOWN]),
        more_epcs=max(0, len(epcs) - _EPCS_SHOWN),
        spot=spot(location) or spot(read_point),
    )


def _whole(kind: str, value: Mapping[str, Any], path: Path) -> None:
    """What an event must have together."""
    choices = _ANY_OF.get(kind, ((),))
    ends = kind in {"AggregationEvent", "AssociationEvent"} and value["action"] == "DELETE"
    there = {name for name, member in value.items() if member != [] or name in _MAY_BE_EMPTY}
    if not ends and not any(there.issuperset(choice) for choice in choices):
        raise Invalid((*path, choices[0][0]), "missing")
    if "ilmd" in value and value.get("action") in {"OBSERVE", "DELETE"}:
        raise Invalid((*path, "ilmd"), "not_applicable")


_GEO: Final = re.compile(r"geo:(-?\d{1,2}(?:\.\d{1,12})?),(-?\d{1,3}(?:\.\d{1,12})?)(?:[,;].*)?")


def spot(place: str) -> tuple[float, float] | None:
    """Where a place is, if it is named by RFC 5870's address, in degrees."""
    matched = _GEO.fullmatch(place)
    if matched is None:
        return None
    latitude, longitude = map(float, matched.groups())
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None  # noqa: PLR2004 - degrees
