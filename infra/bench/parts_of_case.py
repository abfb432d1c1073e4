"""The parts of a case in hand-written SQL, each a list or object as the case page asks for it."""

from typing import Final

import orjson

from infra.bench import shapes
from odr.models.states import PayoutState
from odr.procedure import clocks as timers
from odr.procedure.acts import Role
from odr.procedure.clocks import Clock
from odr.words import Side

LABEL: Final = "concat(CASE e.side {} END, e.number)".format(
    " ".join(f"WHEN '{side.value}' THEN '{side.letter}-'" for side in Side)
)
PATH: Final = "concat('/exhibits/ex', encode(uuid_send(e.id), 'hex'))"

ORDER: Final = "(SELECT {} FROM orders o WHERE o.id = c.order_id)".format(
    shapes.made(
        id=shapes.identity("or", "o.id"),
        reference="o.reference",
        category="o.category",
        placedAt=shapes.at("o.placed_at"),
        promisedAt=shapes.at("o.promised_at"),
        total=shapes.money("o.total_minor", "o.currency"),
        freight=shapes.money("o.freight_minor", "o.currency"),
        lines=shapes.listed(
            "SELECT l.number AS n, {} AS v FROM order_lines l WHERE l.order_id = o.id".format(
                shapes.made(
                    number="l.number",
                    title="l.title",
                    quantity="l.quantity",
                    unit=shapes.money("l.unit_minor", "o.currency"),
                    total=shapes.money("l.total_minor", "o.currency"),
                )
            ),
            "x.n",
        ),
        shipments=shapes.listed(
            "SELECT h.direction, h.shipped_at, h.id, {} AS v FROM shipments h"
            " WHERE h.order_id = o.id".format(
                shapes.made(
                    direction="upper(h.direction)",
                    carrier="h.carrier",
                    service="h.service",
                    trackingNumber="h.tracking_number",
                    shippedAt=shapes.at("h.shipped_at"),
                    deliveredAt=shapes.at("h.delivered_at"),
                    events=shapes.listed(
                        "SELECT e.at, e.id, {} AS v FROM shipment_events e"
                        " WHERE e.shipment_id = h.id".format(
                            shapes.made(
                                at=shapes.at("e.at"),
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

SEATS: Final = shapes.listed(
    "SELECT s.since, s.id, {} AS v FROM seats s WHERE s.case_id = c.id".format(
        shapes.made(
            role="upper(s.role)",
            side="CASE WHEN s.role IN ('claimant', 'respondent') THEN upper(s.role)"
            " WHEN s.role IN ('mediator', 'arbitrator') THEN 'NEUTRAL' END",
            name="coalesce((SELECT name FROM organisations WHERE id = s.organisation_id),"
            " (SELECT name FROM accounts WHERE id = s.account_id))",
            until=shapes.at("s.until"),
            acknowledgedAt=shapes.at("s.acknowledged_at"),
            consented="s.consented",
            restedAt=shapes.at("s.rested_at"),
            appealWaivedAt=shapes.at("s.appeal_waived_at"),
        )
    ),
    "x.since, x.id",
)
NEUTRAL: Final = (
    "(SELECT {} FROM appointments a WHERE a.case_id = c.id AND a.ended_at IS NULL"
    " ORDER BY a.appointed_at DESC, a.id LIMIT 1)"
).format(
    shapes.made(
        kind="upper(a.kind)",
        name="(SELECT name FROM accounts WHERE id = a.neutral_id)",
        appointedAt=shapes.at("a.appointed_at"),
        disclosedAt=shapes.at("a.disclosed_at"),
        disclosure="a.disclosure",
    )
)
CLAIM: Final = (
    "(SELECT {} FROM claims k WHERE k.case_id = c.id ORDER BY k.version DESC LIMIT 1)"
).format(
    shapes.made(
        statement="k.statement",
        reason="upper(k.reason)",
        at=shapes.at("k.at"),
        terms=shapes.terms("k.terms"),
        amount=shapes.money("k.amount_minor", "k.terms ->> 'currency'"),
    )
)
CLAIMS: Final = shapes.listed(
    "SELECT k.version, {} AS v FROM claims k WHERE k.case_id = c.id".format(
        shapes.made(statement="k.statement", at=shapes.at("k.at"), terms=shapes.terms("k.terms"))
    ),
    "x.version",
)
INFORMATION: Final = shapes.listed(
    "SELECT q.at, q.id, {} AS v FROM information_requests q WHERE q.case_id = c.id".format(
        shapes.made(
            id=shapes.identity("ir", "q.id"),
            side="upper(q.side)",
            name="(SELECT name FROM accounts WHERE id = q.account_id)",
            question="q.question",
            at=shapes.at("q.at"),
            due=shapes.at("q.due"),
            open="EXISTS (SELECT FROM clocks k WHERE k.case_id = q.case_id"
            " AND k.subject_id = q.id AND k.state = 'running')",
            answer="q.answer",
            answeredAt=shapes.at("q.answered_at"),
        )
    ),
    "x.at, x.id",
)
APPEAL: Final = "(SELECT {} FROM appeals a WHERE a.case_id = c.id)".format(
    shapes.made(
        side="upper(a.side)",
        ground="upper(a.ground)",
        statement="a.statement",
        at=shapes.at("a.at"),
        decision="upper(a.decision)",
        reasons="a.reasons",
        decidedBy="(SELECT name FROM accounts WHERE id = a.decided_by)",
        decidedAt=shapes.at("a.decided_at"),
    )
)
ANSWER: Final = "(SELECT {} FROM answers w WHERE w.case_id = c.id)".format(
    shapes.made(statement="w.statement", at=shapes.at("w.at"))
)
OFFERS: Final = shapes.listed(
    "SELECT f.at, f.id, {} AS v FROM offers f WHERE f.case_id = c.id".format(
        shapes.made(
            id=shapes.identity("of", "f.id"),
            side="upper(f.side)",
            counter="f.counter",
            state="upper(f.state)",
            at=shapes.at("f.at"),
            validUntil=shapes.at("f.valid_until"),
            message="f.message",
            channel="upper(f.channel)",
            amount=shapes.money("f.amount_minor", "f.terms ->> 'currency'"),
            terms=shapes.terms("f.terms"),
        )
    ),
    "x.at, x.id",
)
BOTH: Final = "p.claimant_accepts IS NOT NULL AND p.respondent_accepts IS NOT NULL"
PROPOSALS: Final = shapes.listed(
    "SELECT p.at, p.id, {} AS v FROM proposals p WHERE p.case_id = c.id".format(
        shapes.made(
            id=shapes.identity("pr", "p.id"),
            name="(SELECT name FROM accounts WHERE id = p.account_id)",
            state="upper(p.state)",
            at=shapes.at("p.at"),
            reasons="p.reasons",
            claimantAccepts=f"CASE WHEN {BOTH} OR me.roles && '{{claimant,mediator}}'"
            " THEN p.claimant_accepts END",
            respondentAccepts=f"CASE WHEN {BOTH} OR me.roles && '{{respondent,mediator}}'"
            " THEN p.respondent_accepts END",
            amount=shapes.money("p.amount_minor", "p.terms ->> 'currency'"),
            terms=shapes.terms("p.terms"),
        )
    ),
    "x.at, x.id",
)
MESSAGES: Final = shapes.listed(
    "SELECT m.at, m.id, {} AS v FROM messages m WHERE m.case_id = c.id"
    " ORDER BY m.at DESC, m.id DESC LIMIT 100".format(
        shapes.made(
            id=shapes.identity("ms", "m.id"),
            channel="upper(m.channel)",
            side="upper(m.side)",
            name=shapes.name("m"),
            own="m.account_id = $2",
            body="m.body",
            at=shapes.at("m.at"),
        )
    ),
    "x.at, x.id",
)
EXHIBITS: Final = shapes.listed(
    "SELECT e.side, e.number, e.id, {} AS v FROM exhibits e WHERE e.case_id = c.id".format(
        shapes.made(
            id=shapes.identity("ex", "e.id"),
            label=LABEL,
            side="upper(e.side)",
            kind="upper(e.kind)",
            title="e.title",
            description="e.description",
            channel="upper(e.channel)",
            mediaType="e.media_type",
            size="e.size",
            sha256="encode(e.sha256, 'hex')",
            path=PATH,
            at=shapes.at("e.at"),
            name=shapes.name("e"),
            filename="e.filename",
            answers=shapes.listed(
                "SELECT w.at, w.id, {} AS v FROM exhibit_answers w"
                " WHERE w.exhibit_id = e.id".format(
                    shapes.made(
                        side="upper(w.side)",
                        name=shapes.name("w"),
                        body="w.body",
                        at=shapes.at("w.at"),
                    )
                ),
                "x.at, x.id",
            ),
            erasures=shapes.listed(
                "SELECT d.asked_at, d.id, {} AS v FROM erasures d"
                " WHERE d.exhibit_id = e.id AND d.state IN ('granted', 'done')".format(
                    shapes.made(
                        state="upper(d.state)",
                        ground="upper(d.ground)",
                        at=shapes.at("d.decided_at"),
                    )
                ),
                "x.asked_at, x.id",
            ),
        )
    ),
    "x.side, x.number, x.id",
)
HOLDS: Final = shapes.listed(
    "SELECT h.placed_at, h.id, {} AS v FROM legal_holds h WHERE h.case_id = c.id".format(
        shapes.made(
            reason="h.reason",
            placedAt=shapes.at("h.placed_at"),
            until=shapes.at("h.until"),
            liftedAt=shapes.at("h.lifted_at"),
        )
    ),
    "x.placed_at, x.id",
)
CITED: Final = shapes.made(label=LABEL, path=PATH)
RULINGS: Final = shapes.listed(
    "SELECT r.at, r.id, {} AS v FROM rulings r WHERE r.case_id = c.id".format(
        shapes.made(
            id=shapes.identity("ru", "r.id"),
            kind="upper(r.kind)",
            name="(SELECT name FROM accounts WHERE id = r.account_id)",
            reasons="r.reasons",
            at=shapes.at("r.at"),
            finalAt=shapes.at("r.final_at"),
            recordRoot="encode(r.record_root, 'hex')",
            amount=shapes.money("r.amount_minor", "r.terms ->> 'currency'"),
            terms=shapes.terms("r.terms"),
            findings=shapes.listed(
                "SELECT g.number, {} AS v FROM ruling_findings g WHERE g.ruling_id = r.id".format(
                    shapes.made(
                        number="g.number",
                        issue="g.issue",
                        body="g.body",
                        exhibits=shapes.listed(
                            f"SELECT e.side, e.number, e.id, {CITED} AS v"
                            " FROM ruling_citations t"
                            " JOIN exhibits e ON e.id = t.exhibit_id"
                            " WHERE t.finding_id = g.id",
                            "x.side, x.number, x.id",
                        ),
                    )
                ),
                "x.number",
            ),
            notReliedOn=shapes.listed(
                "SELECT e.id, {} AS v FROM ruling_unrelied u JOIN exhibits e"
                " ON e.id = u.exhibit_id WHERE u.ruling_id = r.id".format(
                    shapes.made(why="u.why", exhibit=shapes.made(label=LABEL, path=PATH))
                ),
                "x.id",
            ),
            correctionRequests=shapes.listed(
                "SELECT q.at, q.id, {} AS v FROM correction_requests q"
                " WHERE q.ruling_id = r.id".format(
                    shapes.made(side="upper(q.side)", body="q.body", at=shapes.at("q.at"))
                ),
                "x.at, x.id",
            ),
            corrections=shapes.listed(
                "SELECT q.at, q.id, {} AS v FROM corrections q WHERE q.ruling_id = r.id".format(
                    shapes.made(
                        name="(SELECT name FROM accounts WHERE id = q.account_id)",
                        body="q.body",
                        at=shapes.at("q.at"),
                        terms="CASE WHEN q.terms IS NOT NULL THEN {} END".format(
                            shapes.terms("q.terms")
                        ),
                    )
                ),
                "x.at, x.id",
            ),
        )
    ),
    "x.at, x.id",
)
OBLIGATIONS: Final = shapes.listed(
    "SELECT b.number, {} AS v FROM obligations b WHERE b.case_id = c.id".format(
        shapes.made(
            number="b.number",
            remedy="upper(b.remedy)",
            debtor="upper(b.debtor)",
            state="upper(b.state)",
            amount=shapes.money("b.amount_minor", "b.currency"),
        )
    ),
    "x.number",
)
PAYOUTS: Final = shapes.listed(
    "SELECT p.created, p.id, {} AS v FROM payouts p WHERE p.case_id = c.id"
    " AND (p.insurance_claim_id IS NULL OR EXISTS"
    " (SELECT FROM insurance_claims i WHERE i.id = p.insurance_claim_id))".format(
        shapes.made(
            id=shapes.identity("po", "p.id"),
            purpose="p.purpose",
            state="upper(p.state)",
            sentence="CASE p.state {} END".format(
                " ".join(
                    "WHEN '{}' THEN '{}'".format(s.value, s.meaning.replace("'", "''"))
                    for s in PayoutState
                )
            ),
            reference="p.reference",
            grantedAt=shapes.at("p.created"),
            expectedAt=shapes.at("p.expected_at"),
            paidAt=shapes.at("p.paid_at"),
            amount=shapes.money("p.amount_minor", "p.currency"),
        )
    ),
    "x.created, x.id",
)
INSURANCE: Final = shapes.listed(
    "SELECT i.notified_at, i.id, {} AS v FROM insurance_claims i WHERE i.case_id = c.id".format(
        shapes.made(
            id=shapes.identity("ic", "i.id"),
            number="i.number",
            peril="upper(i.peril)",
            state="upper(i.state)",
            insurer="(SELECT json_build_object('name', name) FROM organisations"
            " WHERE id = i.insurer_id)",
            claimed=shapes.money("i.claimed_minor", "i.currency"),
            paid=shapes.money("i.paid_minor", "i.currency"),
        )
    ),
    "x.notified_at, x.id",
)
AWAITS: Final = {
    clock: [role.name for role in Role if role in timers.TIMERS[clock].awaits] for clock in Clock
}
CLOCKS: Final = shapes.listed(
    "SELECT k.due, k.id, {} AS v FROM clocks k WHERE k.case_id = c.id AND k.state = 'running'"
    " AND (k.clock <> 'offer' OR EXISTS (SELECT FROM offers f WHERE f.id = k.subject_id))".format(
        shapes.made(
            kind="upper(k.clock)",
            starts=shapes.at("k.starts"),
            due=shapes.at("k.due"),
            side="upper(k.side)",
            awaits="(CASE k.clock {} END)::json".format(
                " ".join(
                    f"WHEN '{clock.value}' THEN '{orjson.dumps(names).decode()}'"
                    for clock, names in AWAITS.items()
                )
            ),
            defaultOutcome="CASE k.clock {} END".format(
                " ".join(
                    "WHEN '{}' THEN '{}'".format(clock.value, clock.meaning.replace("'", "''"))
                    for clock in Clock
                )
            ),
            amount=shapes.money_or_null("k.amount_minor", "c.currency"),
        )
    ),
    "x.due, x.id",
)
ENTRIES: Final = shapes.listed(
    "SELECT r.at, CASE r.channel WHEN 'record' THEN 2 WHEN 'mediation' THEN 1 ELSE 0 END AS room,"
    " r.sequence, r.id, {} AS v FROM acts r WHERE r.case_id = c.id"
    " ORDER BY 1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT 100".format(
        shapes.made(
            id=shapes.identity("re", "r.id"),
            act="upper(r.act)",
            role="upper(r.role)",
            side="upper(r.side)",
            name="CASE WHEN r.side IS NULL THEN (SELECT name FROM accounts"
            " WHERE id = r.account_id) ELSE " + shapes.name("r") + " END",
            at=shapes.at("r.at"),
            channel="upper(r.channel)",
            before="upper(r.before)",
            after="upper(r.after)",
            sequence="r.sequence",
            leaf="encode(r.leaf, 'hex')",
            amount="CASE WHEN r.facts ? 'amount_minor' THEN "
            + shapes.money("(r.facts ->> 'amount_minor')::bigint", "c.currency")
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
