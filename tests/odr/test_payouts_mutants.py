"""Bugs that payouts must not have, planted one at a time: each is found by a scenario."""

from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from odr import payouts
from tests.odr import payday
from tests.odr.payday import Scenario


class Mutant(NamedTuple):
    """A bug: what stands in the source, what stands there instead, the scenario that finds it."""

    name: str
    before: str
    after: str
    scenario: Scenario


MUTANTS = [
    Mutant(
        "a new key for each try",
        'key=f"payout:{payout.id}"',
        'key=f"payout:{payout.id}:{payout.tries}"',
        Scenario(pay=("late",)),
    ),
    Mutant(
        "no looking up before sending again",
        "report = await rail.find(payout.reference)\n            at(",
        "report = None\n            at(",
        Scenario(pay=("forget",), webhooks="never"),
    ),
    Mutant(
        "no answer is taken for a failure",
        "                report = await rail.send(_instruction(payout))",
        """                try:
                    report = await rail.send(_instruction(payout))
                except Unanswered:
                    report = Report(rail_id="-", reference=payout.reference,
                                    amount=_amount(payout), standing=Standing.REJECTED)""",
        Scenario(pay=("cut_before",)),
    ),
    Mutant(
        "the rail is called inside a transaction",
        """        at("try: before commit")
""",
        """        await rail.find(payout.reference)
        at("try: before commit")
""",
        Scenario(),
    ),
    Mutant(
        "it is sent before that is committed",
        "return await _commit_to_send(office, payout_id, at)",
        "return bool(await _submit(office, rail, payout, at))",
        Scenario(),
    ),
    Mutant(
        "the money is not set apart",
        """        await _book(work, journal.payout_sent(payout.id, payout.case_id, source, amount))
""",
        "",
        Scenario(),
    ),
    Mutant(
        "events are not remembered",
        """            if await inbox.first_told(work.conn, event, payout.id):
""",
        """            if True:
""",
        Scenario(webhooks="twice"),
    ),
    Mutant(
        "an event is remembered before what it leads to",
        """            payout = await _locked_with_case(work.conn, found.case_id, found.id)
            if await inbox.first_told(work.conn, event, payout.id):
""",
        """            async with office.work(SERVICE, found.id) as apart:
                first = await inbox.first_told(apart.conn, event, found.id)
            at("between")
            payout = await _locked_with_case(work.conn, found.case_id, found.id)
            if first:
""",
        Scenario(crashes=(("between", 1), ("between", 2), ("between", 4))),
    ),
    Mutant(
        "a payment that was made is not booked",
        """paid_at=work.at, reason=None
    )
    await _book(work, lines)
""",
        """paid_at=work.at, reason=None
    )
""",
        Scenario(),
    ),
    Mutant(
        "the record is not told",
        "        await record(work.dated(work.at), payout.case_id, payout.id)\n",
        "        del record\n",
        Scenario(),
    ),
    Mutant(
        "what was rejected stays held",
        """    await _set(work, payout, state=state, reason=reason)
    await _book(work, lines)
""",
        """    await _set(work, payout, state=state, reason=reason)
""",
        Scenario(pay=("reject",)),
    ),
    Mutant(
        "paid is final",
        "elif state is PayoutState.PAID and said in {Standing.RETURNED, Standing.REJECTED}:",
        "elif state is PayoutState.PAID and said in set():",
        Scenario(pay=("return",)),
    ),
    Mutant(
        "rejected is final",
        "elif state is PayoutState.REJECTED and said is Standing.PAID:",
        "elif state is None:",
        Scenario(pay=("reject_then_pay",)),
    ),
    Mutant(
        "what was returned is not due again",
        ".values(state=ObligationState.DUE, ended_at=None)",
        ".values(ended_at=None)",
        Scenario(pay=("return",)),
    ),
    Mutant(
        "any amount will do",
        "if report.amount != _amount(payout) or state",
        "if state",
        Scenario(pay=("short",)),
    ),
]


def planted(mutant: Mutant) -> ModuleType:
    source = Path(payouts.__file__).read_text(encoding="utf-8")
    assert source.count(mutant.before) == 1, mutant.name
    module = ModuleType("payouts_with_a_bug")
    exec(compile(source.replace(mutant.before, mutant.after), mutant.name, "exec"), module.__dict__)  # noqa: S102 - our own source, with one line changed
    return module


async def test_every_planted_bug_is_found(engine, admin, tmp_path):
    missed = []
    async with payday.bench(engine, admin, tmp_path) as bench:
        for mutant in MUTANTS:
            _, wrong = await payday.play(bench, mutant.scenario, planted(mutant))
            if not wrong:
                missed.append(mutant.name)
    assert missed == []


async def test_the_same_scenarios_find_nothing_without_a_bug(engine, admin, tmp_path):
    found = {}
    async with payday.bench(engine, admin, tmp_path) as bench:
        for mutant in MUTANTS:
            if mutant.scenario.pay != ("short",):
                _, found[mutant.name] = await payday.play(bench, mutant.scenario)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
