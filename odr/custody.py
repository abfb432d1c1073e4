"""The chain of custody as a graph for forensic tools: CASE 1.4 over UCO 1.4, in JSON-LD.

It says again, in the field's own terms, what the record's entries say: each act is an
investigative action with its time and the role that did it; a deposited file is an observable
file with its digests, and the deposit's result is a provenance record with the exhibit's label.
What was erased says when, on what ground and by whom; it has no place in the bundle, and what
erased it is an action upon it. Ids are made from those of case, streams, entries and files, so
that the same record makes the same graph. Nobody is named: whoever acted is a role, and what the
asker may not read is not there, since it is made of what their bundle holds.

Terms: ontology.caseontology.org and ontology.unifiedcyberontology.org, versions 1.4.0.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

from evidence import body as bodies
from evidence import entry as entries
from evidence import layout
from evidence.body import Body, Plaintext
from evidence.bundle import Contents, Kept, Stream
from evidence.tombstone import Tombstones

Node = dict[str, Any]

_CONTEXT: Final = {
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "uco-role": "https://ontology.unifiedcyberontology.org/uco/role/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_SERVICE: Final = "service"


def graph(case: UUID, number: str, contents: Contents) -> bytes:
    """Write the graph of a bundle's contents, the same bytes for the same contents."""
    nodes: list[Node] = []
    roles: dict[str, UUID] = {}
    told = {stream.id: _told(stream) for stream in contents.streams}
    shown = _Shown({blob.id for blob in contents.files()}, _tombstones(contents, told))
    for stream in contents.streams:
        for kept in stream.entries:
            said = told[stream.id].get(kept.seq)
            role = _SERVICE if said is None else str(said.body.get("role", _SERVICE))
            roles[role] = uuid5(case, f"role {role}")
            nodes += _nodes(stream.id, kept, said, roles[role], shown)
    nodes += _named_only(told, shown, {node["@id"] for node in nodes})
    nodes += [
        {"@id": _iri(node), "@type": "uco-role:Role", "uco-core:name": role}
        for role, node in sorted(roles.items())
    ]
    investigation = {
        "@id": _iri(case),
        "@type": "case-investigation:Investigation",
        "uco-core:name": number,
        "uco-core:object": _links(nodes),
    }
    made = {"@context": _CONTEXT, "@graph": [investigation, *nodes]}
    return json.dumps(made, ensure_ascii=False, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class _Shown:
    """Which files the bundle holds, and what is said of those that were erased."""

    files: set[UUID]
    tombstones: Tombstones


def _told(stream: Stream) -> dict[int, Body]:
    """What entries say; of those that were erased, what their tombstones keep."""
    said = {one.seq: bodies.decode(one.body) for one in stream.entries if one.body is not None}
    buried = [one.body.get("kept", ()) for one in said.values() if one.erased is not None]
    kept = {each["seq"]: bodies.read(each["value"]) for several in buried for each in several}
    return kept | said


def _tombstones(contents: Contents, told: Mapping[UUID, Mapping[int, Body]]) -> Tombstones:
    found = Tombstones()
    for stream in contents.streams:
        for kept in stream.entries:
            said = told[stream.id].get(kept.seq)
            if said is not None and said.erased is not None:
                at = entries.decode(kept.data).time
                found.put(stream.id, kept.seq, said.erased, at)
    return found


def _named_only(
    told: Mapping[UUID, Mapping[int, Body]], shown: _Shown, known: set[Any]
) -> Iterator[Node]:
    """The erased files of which the bundle says no more than that."""
    erased = [one.erased for said in told.values() for one in said.values() if one.erased]
    for blob in sorted({blob for one in erased for blob in one.blobs}):
        if _iri(blob) not in known:
            yield _erased(blob, shown)


def _nodes(
    stream: UUID, kept: Kept, said: Body | None, role: UUID, shown: _Shown
) -> Iterator[Node]:
    """An entry: its bytes, the act, the file that came with it, and what it erased."""
    written = _entry_file(stream, kept)
    results = [written]
    if said is not None and said.blob is not None:
        file = _file(said, said.blob, shown)
        if file is not None:
            results += [file, _provenance(stream, kept.seq, said, file)]
    found = entries.decode(kept.data)
    gone = shown.tombstones.of_entry(stream, kept.seq)
    action: Node = {
        "@id": _iri(_entry(stream, kept.seq)),
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": "withheld" if said is None else said.act,
        "uco-core:description": (
            f"Entry {kept.seq} of the stream {stream}, with the leaf hash"
            f" {entries.leaf_hash(kept.data).hex()} in {found.origin}"
            f"{'' if gone is None else f'; what it said was {gone}'}"
        ),
        "uco-action:startTime": _time(found.time),
        "uco-action:endTime": _time(found.time),
        "uco-action:performer": {"@id": _iri(role)},
        "uco-action:result": _links(results),
    }
    if said is not None and said.erased is not None:
        upon = [uuid5(_entry(stream, seq), "file") for seq in said.erased.entries]
        action["uco-action:object"] = [{"@id": _iri(one)} for one in (*said.erased.blobs, *upon)]
    yield action
    yield from results


def _entry_file(stream: UUID, kept: Kept) -> Node:
    node = uuid5(_entry(stream, kept.seq), "file")
    path = layout.PAYLOAD + layout.entry_path(stream, "entries", kept.seq)
    digests = {"SHA256": sha256(kept.data).digest()}
    return {
        "@id": _iri(node),
        "@type": "uco-observable:File",
        "uco-core:hasFacet": _facets(node, path, len(kept.data), "application/json", digests),
    }


def _file(said: Body, blob: Plaintext, shown: _Shown) -> Node | None:
    """A file that the bundle holds, or that was erased; None if it is only not shown."""
    path = layout.blob_path(blob.id, layout.extension(blob.media_type))
    digests = {"SHA256": blob.sha256, "SHA512": blob.sha512}
    made = _facets(blob.id, layout.PAYLOAD + path, blob.size, blob.media_type, digests)
    if shown.tombstones.of_blob(blob.id) is not None:
        return _erased(blob.id, shown) | {"uco-core:hasFacet": made[1:]}
    if blob.id not in shown.files:
        return None
    if name := str(said.body.get("filename", "")):
        made[0]["uco-observable:fileName"] = name
    return {"@id": _iri(blob.id), "@type": "uco-observable:File", "uco-core:hasFacet": made}


def _erased(blob: UUID, shown: _Shown) -> Node:
    return {
        "@id": _iri(blob),
        "@type": "uco-observable:File",
        "uco-core:description": f"Not in the bundle: {shown.tombstones.of_blob(blob)}",
    }


def _facets(
    node: UUID, path: str, size: int, media_type: str, digests: dict[str, bytes]
) -> list[Node]:
    return [
        {
            "@id": _iri(uuid5(node, "file facet")),
            "@type": "uco-observable:FileFacet",
            "uco-observable:filePath": path,
            "uco-observable:sizeInBytes": size,
        },
        {
            "@id": _iri(uuid5(node, "content facet")),
            "@type": "uco-observable:ContentDataFacet",
            "uco-observable:mimeType": media_type,
            "uco-observable:sizeInBytes": size,
            "uco-observable:hash": [
                {
                    "@id": _iri(uuid5(node, f"hash {method}")),
                    "@type": "uco-types:Hash",
                    "uco-types:hashMethod": method,
                    "uco-types:hashValue": _typed("xsd:hexBinary", digest.hex()),
                }
                for method, digest in digests.items()
            ],
        },
    ]


def _provenance(stream: UUID, seq: int, said: Body, file: Node) -> Node:
    node: Node = {
        "@id": _iri(uuid5(_entry(stream, seq), "provenance")),
        "@type": "case-investigation:ProvenanceRecord",
        "uco-core:description": f"Deposited by the {said.body.get('role', _SERVICE)}",
        "uco-core:object": _links([file]),
    }
    if "label" in said.body:
        node["case-investigation:exhibitNumber"] = str(said.body["label"])
    return node


def _entry(stream: UUID, seq: int) -> UUID:
    return uuid5(stream, f"entry {seq}")


def _links(nodes: Iterable[Node] | Sequence[Node]) -> list[Node]:
    return [{"@id": one["@id"]} for one in nodes]


def _iri(node: UUID) -> str:
    return f"urn:uuid:{node}"


def _typed(kind: str, value: str) -> Node:
    return {"@type": kind, "@value": value}


def _time(at: datetime) -> Node:
    return _typed("xsd:dateTime", at.isoformat())
