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

from odr import facts, policy
from odr.models.cases import Case
from odr.models.states import PayoutState
from odr.policy import Viewer
from odr.procedure import clocks as timers
from odr.procedure.acts import Role, State
from odr.procedure.clocks import Clock
from odr.rulebook import Rulebooks
from odr.words import ExhibitKind, Party, Reason, Side
from schema.types.available import Standing


def _at(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def _id(tag: str, column: str) -> str:
    return f"'{tag}' || encode(uuid_send({column}), 'hex')"


def _money(amount: str, currency: str) -> str:
    return f"json_build_object('amountMinor', {amount}, 'currency', {currency})"


def _money_or_null(amount: str, currency: str) -> str:
    return f"CASE WHEN {amount} IS NOT NULL THEN {_money(amount, currency)} END"


def _list(select_: str, order: str) -> str:
    """The rows of a SELECT as a list; ``order`` is by columns of its own that are not shown."""
    return f"(SELECT coalesce(json_agg(x.v ORDER BY {order}), '[]') FROM ({select_}) x)"


def _object(**fields: str) -> str:
    return "json_build_object(" + ", ".join(f"'{k}', {v}" for k, v in fields.items()) + ")"


def _terms(column: str) -> str:
    amount = _money("(i.v ->> 'amount_minor')::bigint", f"{column} ->> 'currency'")
    item = _object(
        remedy="upper(i.v ->> 'remedy')",
        amount=f"CASE WHEN i.v ? 'amount_minor' THEN {amount} END",
        orderLine="(i.v -> 'order_line')",
        quantity="(i.v -> 'quantity')",
        freightPayer="upper(i.v ->> 'freight_payer')",
        note="i.v ->> 'note'",
    )
    items = (
        f"(SELECT coalesce(json_agg({item} ORDER BY i.n), '[]')"
        f" FROM jsonb_array_elements({column} -> 'items') WITH ORDINALITY AS i (v, n))"
    )
    return _object(currency=f"{column} ->> 'currency'", items=items)


def _name(row: str) -> str:
    return (
        f"coalesce(CASE {row}.side WHEN 'claimant' THEN names.claimant WHEN 'respondent'"
        f" THEN names.respondent END, (SELECT name FROM accounts WHERE id = {row}.account_id))"
    )


_LABEL: Final = "concat(CASE e.side {} END, e.number)".format(
    " ".join(f"WHEN '{side.value}' THEN '{side.letter}-'" for side in Side)
)
_PATH: Final = "concat('/exhibits/ex', encode(uuid_send(e.id), 'hex'))"

_ORDER: Final = "(SELECT {} FROM orders o WHERE o.id = c.order_id)".format(
    _object(
        id=_id("or", "o.id"),
        reference="o.reference",
        category="o.category",
        placedAt=_at("o.placed_at"),
        promisedAt=_at("o.promised_at"),
        total=_money("o.total_minor", "o.currency"),
        freight=_money("o.freight_minor", "o.currency"),
        lines=_list(
            "SELECT l.number AS n, {} AS v FROM order_lines l WHERE l.order_id = o.id".format(
                _object(
                    number="l.number",
                    title="l.title",
                    quantity="l.quantity",
                    unit=_money("l.unit_minor", "o.currency"),
                    total=_money("l.total_minor", "o.currency"),
                )
            ),
            "x.n",
        ),
        shipments=_list(
            "SELECT h.direction, h.shipped_at, h.id, {} AS v FROM shipments h"
            " WHERE h.order_id = o.id".format(
                _object(
                    direction="upper(h.direction)",
                    carrier="h.carrier",
                    service="h.service",
                    trackingNumber="h.tracking_number",
                    shippedAt=_at("h.shipped_at"),
                    deliveredAt=_at("h.delivered_at"),
                    events=_list(
                        "SELECT e.at, e.id, {} AS v FROM shipment_events e"
                        " WHERE e.shipment_id = h.id".format(
                            _object(
                                at=_at("e.at"),
                                code="e.code",
                                place="e.place",
                                description="e.description",
                            )
                        ),
                        "x.at, x.id",
                    ),
                )
            ),
            "x.direction, x.shipped_at, x.id",
        ),
    )
)

_SEATS: Final = _list(
    "SELECT s.since, s.id, {} AS v FROM seats s WHERE s.case_id = c.id".format(
        _object(
            role="upper(s.role)",
            side="CASE WHEN s.role IN ('claimant', 'respondent') THEN upper(s.role)"
            " WHEN s.role IN ('mediator', 'arbitrator') THEN 'NEUTRAL' END",
            name="coalesce((SELECT name FROM organisations WHERE id = s.organisation_id),"
            " (SELECT name FROM accounts WHERE id = s.account_id))",
            until=_at("s.until"),
            acknowledgedAt=_at("s.acknowledged_at"),
            consented="s.consented",
            restedAt=_at("s.rested_at"),
            appealWaivedAt=_at("s.appeal_waived_at"),
        )
    ),
    "x.since, x.id",
)
_NEUTRAL: Final = (
    "(SELECT {} FROM appointments a WHERE a.case_id = c.id AND a.ended_at IS NULL"
    " ORDER BY a.appointed_at DESC, a.id LIMIT 1)"
).format(
    _object(
        kind="upper(a.kind)",
        name="(SELECT name FROM accounts WHERE id = a.neutral_id)",
        appointedAt=_at("a.appointed_at"),
        disclosedAt=_at("a.disclosed_at"),
        disclosure="a.disclosure",
    )
)
_CLAIM: Final = (
    "(SELECT {} FROM claims k WHERE k.case_id = c.id ORDER BY k.version DESC LIMIT 1)"
).format(
    _object(
        statement="k.statement",
        reason="upper(k.reason)",
        at=_at("k.at"),
        terms=_terms("k.terms"),
        amount=_money("k.amount_minor", "k.terms ->> 'currency'"),
    )
)
_ANSWER: Final = "(SELECT {} FROM answers w WHERE w.case_id = c.id)".format(
    _object(statement="w.statement", at=_at("w.at"))
)
_OFFERS: Final = _list(
    "SELECT f.at, f.id, {} AS v FROM offers f WHERE f.case_id = c.id".format(
        _object(
            id=_id("of", "f.id"),
            side="upper(f.side)",
            counter="f.counter",
            state="upper(f.state)",
            at=_at("f.at"),
            validUntil=_at("f.valid_until"),
            message="f.message",
            channel="upper(f.channel)",
            amount=_money("f.amount_minor", "f.terms ->> 'currency'"),
            terms=_terms("f.terms"),
        )
    ),
    "x.at, x.id",
)
_BOTH: Final = "p.claimant_accepts IS NOT NULL AND p.respondent_accepts IS NOT NULL"
_PROPOSALS: Final = _list(
    "SELECT p.at, p.id, {} AS v FROM proposals p WHERE p.case_id = c.id".format(
        _object(
            id=_id("pr", "p.id"),
            name="(SELECT name FROM accounts WHERE id = p.account_id)",
            state="upper(p.state)",
            at=_at("p.at"),
            reasons="p.reasons",
            claimantAccepts=f"CASE WHEN {_BOTH} OR me.roles && '{{claimant,mediator}}'"
            " THEN p.claimant_accepts END",
            respondentAccepts=f"CASE WHEN {_BOTH} OR me.roles && '{{respondent,mediator}}'"
            " THEN p.respondent_accepts END",
            amount=_money("p.amount_minor", "p.terms ->> 'currency'"),
            terms=_terms("p.terms"),
        )
    ),
    "x.at, x.id",
)
_MESSAGES: Final = _list(
    "SELECT m.at, m.id, {} AS v FROM messages m WHERE m.case_id = c.id"
    " ORDER BY m.at DESC, m.id DESC LIMIT 100".format(
        _object(
            id=_id("ms", "m.id"),
            channel="upper(m.channel)",
            side="upper(m.side)",
            name=_name("m"),
            own="m.account_id = $2",
            body="m.body",
            at=_at("m.at"),
        )
    ),
    "x.at, x.id",
)
_EXHIBITS: Final = _list(
    "SELECT e.side, e.number, e.id, {} AS v FROM exhibits e WHERE e.case_id = c.id".format(
        _object(
            id=_id("ex", "e.id"),
            label=_LABEL,
            side="upper(e.side)",
            kind="upper(e.kind)",
            title="e.title",
            description="e.description",
            channel="upper(e.channel)",
            mediaType="e.media_type",
            size="e.size",
            sha256="encode(e.sha256, 'hex')",
            path=_PATH,
            at=_at("e.at"),
            name=_name("e"),
            filename="e.filename",
            answers=_list(
                "SELECT w.at, w.id, {} AS v FROM exhibit_answers w"
                " WHERE w.exhibit_id = e.id".format(
                    _object(side="upper(w.side)", name=_name("w"), body="w.body", at=_at("w.at"))
                ),
                "x.at, x.id",
            ),
        )
    ),
    "x.side, x.number, x.id",
)
_CITED: Final = _object(label=_LABEL, path=_PATH)
_RULINGS: Final = _list(
    "SELECT r.at, r.id, {} AS v FROM rulings r WHERE r.case_id = c.id".format(
        _object(
            id=_id("ru", "r.id"),
            kind="upper(r.kind)",
            name="(SELECT name FROM accounts WHERE id = r.account_id)",
            reasons="r.reasons",
            at=_at("r.at"),
            finalAt=_at("r.final_at"),
            recordRoot="encode(r.record_root, 'hex')",
            amount=_money("r.amount_minor", "r.terms ->> 'currency'"),
            terms=_terms("r.terms"),
            findings=_list(
                "SELECT g.number, {} AS v FROM ruling_findings g WHERE g.ruling_id = r.id".format(
                    _object(
                        number="g.number",
                        issue="g.issue",
                        body="g.body",
                        exhibits=_list(
                            f"SELECT e.side, e.number, e.id, {_CITED} AS v"
                            " FROM ruling_citations t"
                            " JOIN exhibits e ON e.id = t.exhibit_id"
                            " WHERE t.finding_id = g.id",
                            "x.side, x.number, x.id",
                        ),
                    )
                ),
                "x.number",
            ),
            notReliedOn=_list(
                "SELECT e.id, {} AS v FROM ruling_unrelied u JOIN exhibits e"
                " ON e.id = u.exhibit_id WHERE u.ruling_id = r.id".format(
                    _object(why="u.why", exhibit=_object(label=_LABEL, path=_PATH))
                ),
                "x.id",
            ),
        )
    ),
    "x.at, x.id",
)
_OBLIGATIONS: Final = _list(
    "SELECT b.number, {} AS v FROM obligations b WHERE b.case_id = c.id".format(
        _object(
            number="b.number",
            remedy="upper(b.remedy)",
            debtor="upper(b.debtor)",
            state="upper(b.state)",
            amount=_money("b.amount_minor", "b.currency"),
        )
    ),
    "x.number",
)
_PAYOUTS: Final = _list(
    "SELECT p.created, p.id, {} AS v FROM payouts p WHERE p.case_id = c.id"
    " AND (p.insurance_claim_id IS NULL OR EXISTS"
    " (SELECT FROM insurance_claims i WHERE i.id = p.insurance_claim_id))".format(
        _object(
            id=_id("po", "p.id"),
            purpose="p.purpose",
            state="upper(p.state)",
            sentence="CASE p.state {} END".format(
                " ".join(
                    "WHEN '{}' THEN '{}'".format(s.value, s.meaning.replace("'", "''"))
                    for s in PayoutState
                )
            ),
            reference="p.reference",
            grantedAt=_at("p.created"),
            expectedAt=_at("p.expected_at"),
            paidAt=_at("p.paid_at"),
            amount=_money("p.amount_minor", "p.currency"),
        )
    ),
    "x.created, x.id",
)
_INSURANCE: Final = _list(
    "SELECT i.notified_at, i.id, {} AS v FROM insurance_claims i WHERE i.case_id = c.id".format(
        _object(
            id=_id("ic", "i.id"),
            number="i.number",
            peril="upper(i.peril)",
            state="upper(i.state)",
            insurer="(SELECT json_build_object('name', name) FROM organisations"
            " WHERE id = i.insurer_id)",
            claimed=_money("i.claimed_minor", "i.currency"),
            paid=_money("i.paid_minor", "i.currency"),
        )
    ),
    "x.notified_at, x.id",
)
_AWAITS: Final = {
    clock: [role.name for role in Role if role in timers.TIMERS[clock].awaits] for clock in Clock
}
_CLOCKS: Final = _list(
    "SELECT k.due, k.id, {} AS v FROM clocks k WHERE k.case_id = c.id AND k.state = 'running'"
    " AND (k.clock <> 'offer' OR EXISTS (SELECT FROM offers f WHERE f.id = k.subject_id))".format(
        _object(
            kind="upper(k.clock)",
            starts=_at("k.starts"),
            due=_at("k.due"),
            side="upper(k.side)",
            awaits="(CASE k.clock {} END)::json".format(
                " ".join(
                    f"WHEN '{clock.value}' THEN '{orjson.dumps(names).decode()}'"
                    for clock, names in _AWAITS.items()
                )
            ),
            defaultOutcome="CASE k.clock {} END".format(
                " ".join(
                    "WHEN '{}' THEN '{}'".format(clock.value, clock.meaning.replace("'", "''"))
                    for clock in Clock
                )
            ),
            amount=_money_or_null("k.amount_minor", "c.currency"),
        )
    ),
    "x.due, x.id",
)
_ENTRIES: Final = _list(
    "SELECT r.at, CASE r.channel WHEN 'record' THEN 2 WHEN 'mediation' THEN 1 ELSE 0 END AS room,"
    " r.sequence, r.id, {} AS v FROM acts r WHERE r.case_id = c.id"
    " ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT 100".format(
        _object(
            id=_id("re", "r.id"),
            act="upper(r.act)",
            role="upper(r.role)",
            side="upper(r.side)",
            name="CASE WHEN r.side IS NULL THEN (SELECT name FROM accounts"
            " WHERE id = r.account_id) ELSE " + _name("r") + " END",
            at=_at("r.at"),
            channel="upper(r.channel)",
            before="upper(r.before)",
            after="upper(r.after)",
            sequence="r.sequence",
            leaf="encode(r.leaf, 'hex')",
            amount="CASE WHEN r.facts ? 'amount_minor' THEN "
            + _money("(r.facts ->> 'amount_minor')::bigint", "c.currency")
            + " END",
            exhibitLabel="r.facts ->> 'label'",
            neutralKind="CASE WHEN r.act IN ('appoint_mediator', 'appoint_arbitrator',"
            " 'replace_neutral') THEN upper(r.facts ->> 'kind') END",
            agrees="(r.facts ->> 'agrees')::boolean",
            interests="(r.facts ->> 'interests')::boolean",
        )
    ),
    "x.at, x.room, x.sequence, x.id",
)


def _waits(seats: str) -> str:
    return (
        "EXISTS (SELECT FROM seats s WHERE s.case_id = c.id AND s.until IS NULL AND s.role"
        f" IN ('claimant', 'respondent') AND {seats})"
    )


_TURN: Final = f"""CASE
    WHEN c.state = 'closed' THEN 'DONE'
    WHEN EXISTS (SELECT FROM offers f WHERE f.case_id = c.id AND f.state = 'open'
        AND f.side <> me.side) THEN 'YOUR_TURN'
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
    _object(
        id=_id("ca", "c.id"),
        number="c.number",
        outcome="upper(c.outcome)",
        reason="upper(c.reason)",
        state="upper(c.state)",
        version="c.version",
        currency="c.currency",
        claimantParty="upper(c.claimant_party)",
        viewerSide="upper(me.side)",
        viewerState=_TURN,
        filedAt=_at("c.filed_at"),
        closedAt=_at("c.closed_at"),
        claimed=_money("c.claimed_minor", "c.currency"),
        granted=_money_or_null("c.granted_minor", "c.currency"),
        rulebook="c.rulebook",
        rulebookDigest="encode(c.rulebook_digest, 'hex')",
        recordRoot="encode(c.record_root, 'hex')",
        recordSize="c.record_size",
        order=_ORDER,
        seats=_SEATS,
        neutral=_NEUTRAL,
        claim=_CLAIM,
        answer=_ANSWER,
        offers=_OFFERS,
        proposals=_PROPOSALS,
        messages=_object(nodes=_MESSAGES),
        exhibits=_EXHIBITS,
        rulings=_RULINGS,
        obligations=_OBLIGATIONS,
        payouts=_PAYOUTS,
        insuranceClaims=_INSURANCE,
        clocks=_CLOCKS,
        record=_object(nodes=_ENTRIES),
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
_NEEDS: Final = _object(
    roles="me.roles",
    claimant_party="c.claimant_party",
    measures=_measures(),
    state="c.state",
    reason="c.reason",
    rulebook="c.rulebook",
    clocks="(SELECT json_agg(json_build_array(k.clock, k.due)) FROM clocks k"
    " WHERE k.case_id = c.id AND k.state = 'running')",
    order=_object(
        currency="c.currency",
        freight_minor="(SELECT freight_minor FROM orders WHERE id = c.order_id)",
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
_WITH_TERMS: Final = {"file", "make_offer", "make_counter_offer", "propose_terms", "rule"}


def _act(standing: Standing, act: Any) -> dict[str, Any]:
    due: datetime | None = standing.due(act)
    bounds = (
        standing.goods.bounds(standing.book, standing.reason, claim=act.value == "file")
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
    SELECT coalesce(json_agg(json_build_object('id', {_id("co", "v.id")},
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
        '{{"id":"' || {_id("ic", "i.id")}
        || '","number":' || {_text("i.number")} || ',"peril":"' || upper(i.peril)
        || '","state":"' || upper(i.state) || '","settledAt":"' || {_at("i.settled_at")}
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
