"""The limit of reading: hand-written statements that give what the pages' documents ask for.

One statement for each, under the same role and the same row rules; what Python computes for a case
(the acts that are available, the checklist of evidence) is computed by the same functions.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import literal_column, select
from sqlalchemy.dialects import postgresql
from sqlmodel import col

from infra.bench import parts_of_case as parts
from infra.bench import shapes
from odr import facts, policy
from odr.models.cases import Case
from odr.policy import Viewer
from odr.procedure.acts import Role, State
from odr.rulebook import Rulebooks
from odr.words import ExhibitKind, Party, Reason, Side
from schema.types.available import Standing


def _waits(seats: str) -> str:
    return (
        "EXISTS (SELECT FROM seats s WHERE s.case_id = c.id AND s.until IS NULL AND s.role"
        f" IN ('claimant', 'respondent') AND {seats})"
    )


_TURN: Final = f"""CASE
    WHEN c.state = 'closed' THEN 'DONE'
    WHEN EXISTS (SELECT FROM offers f WHERE f.case_id = c.id AND f.state = 'open'
        AND f.side <> me.side) THEN 'YOUR_TURN'
    WHEN EXISTS (SELECT FROM clocks k WHERE k.case_id = c.id AND k.clock = 'information'
        AND k.state = 'running' AND k.side = me.side) THEN 'YOUR_TURN'
    WHEN c.state IN ('filed', 'defaulted') THEN
        CASE me.side WHEN 'respondent' THEN 'YOUR_TURN' ELSE 'THEIR_TURN' END
    WHEN c.state = 'negotiating' THEN CASE WHEN (SELECT r.side FROM acts r WHERE r.case_id = c.id
        AND r.channel = 'record' AND r.side IN ('claimant', 'respondent')
        ORDER BY r.at DESC, r.sequence DESC LIMIT 1) <> me.side
        THEN 'YOUR_TURN' ELSE 'THEIR_TURN' END
    WHEN c.state = 'mediating' THEN CASE WHEN EXISTS (SELECT FROM proposals p
        WHERE p.case_id = c.id AND p.state = 'open' AND CASE me.side
            WHEN 'claimant' THEN p.claimant_accepts ELSE p.respondent_accepts END IS NULL)
        THEN 'YOUR_TURN' ELSE 'WITH_NEUTRAL' END
    WHEN c.state = 'hearing' THEN CASE
        WHEN {_waits("s.role = me.side AND s.rested_at IS NULL")} THEN 'YOUR_TURN'
        WHEN {_waits("s.role <> me.side AND s.rested_at IS NULL")} THEN 'THEIR_TURN'
        ELSE 'WITH_NEUTRAL' END
    WHEN c.state IN ('deliberating', 'deliberating_again', 'appealed', 'return_contested')
        THEN 'WITH_NEUTRAL'
    WHEN c.state = 'ruled' THEN CASE
        WHEN {_waits("s.role = me.side AND s.appeal_waived_at IS NULL")} THEN 'YOUR_TURN'
        ELSE 'THEIR_TURN' END
    ELSE 'THEIR_TURN' END"""

_SHOWN: Final = (
    # json_build_object takes a hundred arguments at most, as any function does.
    shapes.made(
        id=shapes.identity("ca", "c.id"),
        number="c.number",
        outcome="upper(c.outcome)",
        reason="upper(c.reason)",
        state="upper(c.state)",
        version="c.version",
        currency="c.currency",
        claimantParty="upper(c.claimant_party)",
        viewerSide="upper(me.side)",
        viewerState=_TURN,
        filedAt=shapes.at("c.filed_at"),
        closedAt=shapes.at("c.closed_at"),
        claimed=shapes.money("c.claimed_minor", "c.currency"),
        granted=shapes.money_or_null("c.granted_minor", "c.currency"),
        rulebook="c.rulebook",
        rulebookDigest="encode(c.rulebook_digest, 'hex')",
        recordRoot="encode(c.record_root, 'hex')",
        recordSize="c.record_size",
        order=parts.ORDER,
        seats=parts.SEATS,
        neutral=parts.NEUTRAL,
        claim=parts.CLAIM,
        claims=parts.CLAIMS,
        answer=parts.ANSWER,
        offers=parts.OFFERS,
        proposals=parts.PROPOSALS,
        messages=shapes.made(nodes=parts.MESSAGES),
        exhibits=parts.EXHIBITS,
        legalHolds=parts.HOLDS,
        appeal=parts.APPEAL,
        informationRequests=parts.INFORMATION,
        rulings=parts.RULINGS,
        obligations=parts.OBLIGATIONS,
        payouts=parts.PAYOUTS,
        insuranceClaims=parts.INSURANCE,
        clocks=parts.CLOCKS,
        record=shapes.made(nodes=parts.ENTRIES),
    )
)


def _measures() -> str:
    asked = select(facts.MEASURES).where(col(Case.id) == literal_column("c.id"))
    compiled = asked.compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's
        compile_kwargs={"literal_binds": True},
    )
    return f"({compiled})".replace("%%", "%")


_KINDS: Final = (
    "(SELECT array_agg(DISTINCT e.kind) FROM exhibits e WHERE e.case_id = c.id AND e.side = '{}')"
)
_NEEDS: Final = shapes.made(
    roles="me.roles",
    claimant_party="c.claimant_party",
    measures=_measures(),
    state="c.state",
    reason="c.reason",
    rulebook="c.rulebook",
    clocks="(SELECT json_agg(json_build_array(k.clock, k.due, k.side)) FROM clocks k"
    " WHERE k.case_id = c.id AND k.state = 'running')",
    order=shapes.made(
        currency="c.currency",
        freight_minor="(SELECT freight_minor FROM orders WHERE id = c.order_id)",
        left="public.order_left(c.order_id)",
        lines="(SELECT json_agg(json_build_array(l.number, l.total_minor, l.quantity, l.title))"
        " FROM order_lines l WHERE l.order_id = c.order_id)",
    ),
    claimant=_KINDS.format("claimant"),
    respondent=_KINDS.format("respondent"),
    caucus="(SELECT json_agg(json_build_object('id', m.id) ORDER BY m.at, m.id)"
    " FROM caucus_messages m WHERE m.case_id = c.id)",
)

CASE: Final = f"""
SELECT {_SHOWN}::text AS shown, {_NEEDS}::text AS needs
FROM cases c
CROSS JOIN LATERAL (
    SELECT array_agg(s.role::text) AS roles, CASE
        WHEN bool_or(s.role = 'claimant') THEN 'claimant'
        WHEN bool_or(s.role = 'respondent') THEN 'respondent'
        WHEN bool_or(s.role IN ('mediator', 'arbitrator')) THEN 'neutral' END AS side
    FROM seats s WHERE s.case_id = c.id AND s.until IS NULL
        AND (s.account_id = $2 OR s.organisation_id = ANY ($3::uuid[]))
) AS me
CROSS JOIN LATERAL (
    SELECT max(o.name) FILTER (WHERE s.role = 'claimant') AS claimant,
        max(o.name) FILTER (WHERE s.role = 'respondent') AS respondent
    FROM seats s JOIN organisations o ON o.id = s.organisation_id WHERE s.case_id = c.id
) AS names
WHERE c.number = $1 AND (me.roles IS NOT NULL OR c.marketplace_id = ANY ($3::uuid[]))
"""


def case(row: Mapping[str, Any], viewer: Viewer, books: Rulebooks) -> str:
    """The answer: what the statement shows, with what is computed of its needs."""
    needs = orjson.loads(row["needs"])
    state, reason = _STATES[needs["state"]], Reason(needs["reason"])
    seated = frozenset(Role(role) for role in needs["roles"] or ())
    roles = policy.roles_of(seated, Party(needs["claimant_party"]), operator=viewer.operator)
    book = books.version(needs["rulebook"])
    standing = Standing(book, state, reason, roles, needs)
    computed = {
        "stage": state.stage.name,
        "viewerRoles": [role.name for role in Role if role in roles],
        "availableActs": [_act(standing, act) for act in standing.acts],
        "evidence": [
            {
                "side": side.name,
                "need": line.need.name,
                "kinds": [kind.name for kind in line.kinds],
                "satisfied": line.satisfied,
            }
            for side in (Side.CLAIMANT, Side.RESPONDENT)
            for line in book.checklist(
                reason, side, [ExhibitKind(kind) for kind in needs[side.value] or ()]
            )
        ],
        "caucusMessages": needs["caucus"] or [],
    }
    more = orjson.dumps(computed).decode()
    return f'{{"data":{{"case":{row["shown"][:-1]},{more[1:]}}}}}'


_STATES: Final = {state.value: state for state in State}
_WITH_TERMS: Final = {
    *("file", "modify_claim", "make_offer", "make_counter_offer", "propose_terms", "rule"),
    *("correct_ruling", "vary_ruling", "set_aside_ruling"),
}
_CLAIMS: Final = {"file", "modify_claim"}


def _act(standing: Standing, act: Any) -> dict[str, Any]:
    due: datetime | None = standing.due(act)
    bounds = (
        standing.goods.bounds(standing.book, standing.reason, claim=act.value in _CLAIMS)
        if act.value in _WITH_TERMS
        else []
    )
    return {
        "act": act.name,
        "sentence": act.meaning,
        "dueBy": None if due is None else f"{due:%Y-%m-%dT%H:%M:%S.%fZ}",
        "bounds": {
            "remedies": [
                {
                    "remedy": bound.remedy.name,
                    "highest": None
                    if bound.highest is None
                    else {
                        "amountMinor": bound.highest.amount_minor,
                        "currency": bound.highest.currency,
                    },
                }
                for bound in bounds
            ]
        },
    }


def _text(column: str) -> str:
    return f"to_json({column})::text"


def _plain_money(amount: str) -> str:
    return f"""'{{"amountMinor":' || {amount} || ',"currency":"' || i.currency || '"}}'"""


# By concatenation, which measured faster than PostgreSQL's JSON functions.
SETTLED: Final = f"""
SELECT '{{"data":{{"covers":{{"nodes":' || (
    SELECT coalesce(json_agg(json_build_object('id', {shapes.identity("co", "v.id")},
        'reference', v.reference, 'insured', json_build_object('name', o.name))
        ORDER BY v.starts DESC, v.id DESC), '[]')::text
    FROM (SELECT * FROM covers WHERE insurer_id = ANY ($1::uuid[]) OR insured_id = ANY ($1::uuid[])
        ORDER BY starts DESC, id DESC LIMIT 100) v
    JOIN organisations o ON o.id = v.insured_id
) || '}},"settledClaims":{{"totalCount":' || (
    SELECT count(*) FROM insurance_claims WHERE settled_at IS NOT NULL
        AND state IN ('paid', 'denied', 'closed') AND insurer_id = ANY ($1::uuid[])
) || page.v || '}}}}}}'
FROM (
    SELECT ',"pageInfo":{{"hasNextPage":' || (count(*) > $2) || ',"endCursor":"'
        || encode(convert_to((array_agg(i.settled_at || '/' || i.id ORDER BY i.n))[$2], 'UTF8'),
            'hex')
        || '"}},"nodes":[' || string_agg(
        '{{"id":"' || {shapes.identity("ic", "i.id")}
        || '","number":' || {_text("i.number")} || ',"peril":"' || upper(i.peril)
        || '","state":"' || upper(i.state) || '","settledAt":"' || {shapes.at("i.settled_at")}
        || '","claimed":' || {_plain_money("i.claimed_minor")}
        || ',"approved":' || {_plain_money("i.approved_minor")}
        || ',"paid":' || {_plain_money("i.paid_minor")}
        || ',"insured":{{"name":' || {_text("o.name")}
        || '}},"cover":{{"reference":' || {_text("v.reference")}
        || '}},"case":' || coalesce((SELECT '{{"number":' || {_text("c.number")}
            || ',"reason":"' || upper(c.reason)
            || '","outcome":' || coalesce('"' || upper(c.outcome) || '"', 'null') || '}}'
            FROM cases c WHERE c.id = i.case_id AND (c.marketplace_id = ANY ($1::uuid[])
                OR EXISTS (SELECT FROM seats s WHERE s.case_id = c.id AND s.until IS NULL
                    AND (s.account_id = $3 OR s.organisation_id = ANY ($1::uuid[]))))), 'null')
        || ',"order":{{"reference":' || {_text("r.reference")}
        || ',"shipments":[' || coalesce((SELECT string_agg('{{"carrier":'
            || {_text("h.carrier")} || '}}', ',' ORDER BY h.direction, h.shipped_at, h.id)
            FROM shipments h WHERE h.order_id = r.id), '')
        || ']}}}}', ',' ORDER BY i.n) FILTER (WHERE i.n <= $2) || ']' AS v
    FROM (SELECT *, row_number() OVER (ORDER BY settled_at DESC, id DESC) AS n
        FROM insurance_claims WHERE settled_at IS NOT NULL AND state IN ('paid', 'denied', 'closed')
            AND insurer_id = ANY ($1::uuid[])
        ORDER BY settled_at DESC, id DESC LIMIT $2::int + 1) i
    JOIN organisations o ON o.id = i.insured_id
    JOIN covers v ON v.id = i.cover_id
    JOIN orders r ON r.id = i.order_id
) AS page
"""
