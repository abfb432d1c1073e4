"""The chain of custody as a graph for forensic tools: CASE 1.4 over UCO 1.4, in JSON-LD.

It says again, in the field's own terms, what the record's entries say: each act is an
investigative action with its time and the role that did it; a deposited file is an observable
file with its digests, and the deposit's result is a provenance record with the exhibit's label.
Ids are made from those of case, streams, entries and files, so that the same record makes the
same graph. Nobody is named: whoever acted is a role, and what the asker may not read is not
there, since it is made of what their bundle holds.

Terms: ontology.caseontology.org and ontology.unifiedcyberontology.org, versions 1.4.0.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

from evidence import body as bodies
from evidence import entry as entries
from evidence import layout
from evidence.body import Body, Plaintext
from evidence.bundle import Contents, Kept

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
    shown = {blob.id: blob.plaintext for blob in contents.blobs}
    roles: dict[str, UUID] = {}
    for stream in contents.streams:
        for kept in stream.entries:
            said = None if kept.body is None else bodies.decode(kept.body)
            role = _SERVICE if said is None else str(said.body.get("role", _SERVICE))
            roles[role] = uuid5(case, f"role {role}")
            nodes += _nodes(stream.id, kept, said, roles[role], shown)
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


def _nodes(
    stream: UUID, kept: Kept, said: Body | None, role: UUID, shown: dict[UUID, Plaintext]
) -> Iterator[Node]:
    """An entry: its bytes, the act, and the file that came with it."""
    written = _entry_file(stream, kept)
    results = [written]
    if said is not None and said.blob is not None and said.blob.id in shown:
        file = _file(said.blob, str(said.body.get("filename", "")))
        results += [file, _provenance(stream, kept.seq, said, file)]
    found = entries.decode(kept.data)
    yield {
        "@id": _iri(_entry(stream, kept.seq)),
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": "withheld" if said is None else said.act,
        "uco-core:description": (
            f"Entry {kept.seq} of the stream {stream}, with the leaf hash"
            f" {entries.leaf_hash(kept.data).hex()} in {found.origin}"
        ),
        "uco-action:startTime": _time(found.time),
        "uco-action:endTime": _time(found.time),
        "uco-action:performer": {"@id": _iri(role)},
        "uco-action:result": _links(results),
    }
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


def _file(blob: Plaintext, name: str) -> Node:
    path = layout.blob_path(blob.id, layout.extension(blob.media_type))
    digests = {"SHA256": blob.sha256, "SHA512": blob.sha512}
    made = _facets(blob.id, layout.PAYLOAD + path, blob.size, blob.media_type, digests)
    if name:
        made[0]["uco-observable:fileName"] = name
    return {"@id": _iri(blob.id), "@type": "uco-observable:File", "uco-core:hasFacet": made}


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
