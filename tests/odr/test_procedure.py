"""The table of a case's life is whole: deterministic, alive, without traps, and it ends."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odr import actions
from odr.errors import NotAllowed
from odr.procedure import clocks, docs, facts, table
from odr.procedure.acts import Act, Outcome, Role, Stage, State
from odr.procedure.clocks import Clock
from odr.procedure.facts import Fact


def reach(start, edges):
    """States reachable from ``start`` along ``edges``, itself included."""
    seen, todo = set(), [start]
    while todo:
        if (state := todo.pop()) not in seen:
            seen.add(state)
            todo.extend(target for source, target in edges if source is state)
    return seen


FORWARD = [(row.source, row.target) for row in table.rows()]
BACKWARD = [(target, source) for source, target in FORWARD]
ONWARD = [(source, target) for source, target in FORWARD if source is not target]


def test_every_state_can_be_reached():
    assert reach(table.START.target, FORWARD) == set(State)


def test_from_every_state_the_end_can_be_reached():
    assert reach(table.FINAL, BACKWARD) == set(State)


def test_nothing_leads_out_of_the_end():
    assert [edge for edge in ONWARD if edge[0] is table.FINAL] == []


def test_every_case_ends():
    """Leaving aside rows that stay put, no state leads back to itself."""
    for state in State:
        for source, target in ONWARD:
            if source is state:
                assert state not in reach(target, ONWARD), f"{state} -> {target} comes back"


def test_every_resting_state_has_one_clock_that_moves_the_case():
    assert set(clocks.STAGE_CLOCKS) == set(State) - {table.FINAL}
    for state, clock in clocks.STAGE_CLOCKS.items():
        for act in clocks.TIMERS[clock].acts:
            assert table.step(state, act, frozenset({Role.CLOCK})).target is not state


def test_a_slot_clock_stays_put_wherever_it_can_fire():
    for timer in clocks.TIMERS.values():
        if timer.state is None:
            sources = [row for row in table.rows() if row.act in timer.acts]
            assert sources
            assert all(row.source is row.target for row in sources)


def test_every_clock_has_a_timer_and_every_act_of_the_clock_has_a_clock():
    assert set(clocks.TIMERS) == set(Clock)
    fired = {act for timer in clocks.TIMERS.values() for act in timer.acts}
    assert fired == {row.act for row in table.rows() if Role.CLOCK in row.roles}


def test_where_a_clock_has_two_acts_their_facts_exclude_each_other():
    for timer in clocks.TIMERS.values():
        needs = [set(facts.REQUIRES.get(act, ())) for act in timer.acts]
        if len(needs) > 1:
            assert needs == [{Fact.DEFAULT_GRANTABLE}, {Fact.DEFAULT_NOT_GRANTABLE}]


def test_every_act_role_fact_and_outcome_is_used():
    used = [*table.rows(), table.START]
    assert {row.act for row in used} == set(Act)
    assert {role for row in used for role in row.roles} == set(Role)
    assert {row.outcome for row in used} - {None} == set(Outcome)
    assert {fact for needs in facts.REQUIRES.values() for fact in needs} == set(Fact)


def test_only_the_rows_that_lead_to_performance_or_the_end_carry_an_outcome():
    for row in table.rows():
        decided = row.target.stage in {Stage.PERFORMANCE, Stage.CLOSED}
        open_before = row.source.stage not in {Stage.PERFORMANCE, Stage.CLOSED}
        if decided and open_before:
            assert row.outcome is not None, row
        if not decided:
            assert row.outcome is None, row


def test_every_state_offers_the_parties_something_to_do():
    for state, role in product(State, (Role.CLAIMANT, Role.RESPONDENT)):
        assert table.acts(state, frozenset({role}))


@pytest.mark.parametrize("state", State)
def test_every_triple_is_either_a_row_or_refused(state):
    for act, role in product(Act, Role):
        rows = [
            row
            for row in table.TABLE
            if row.source is state and row.act is act and role in row.roles
        ]
        if rows:
            (row,) = rows
            done = table.step(state, act, frozenset({role}))
            assert (done.target, done.outcome) == (row.target, row.outcome)
            assert act in table.acts(state, frozenset({role}))
        else:
            assert act not in table.acts(state, frozenset({role}))
            with pytest.raises(NotAllowed):
                table.step(state, act, frozenset({role}))


def test_nobody_may_do_nothing():
    for state, act in product(State, Act):
        with pytest.raises(NotAllowed):
            table.step(state, act, frozenset())


def test_the_wall_and_the_neutrals_keep_to_their_stage():
    for row in table.rows():
        if Role.MEDIATOR in row.roles and row.act is not Act.REPORT_MESSAGE:
            assert row.source is State.MEDIATING
        if row.act in {Act.SEND_CAUCUS_MESSAGE, Act.PROPOSE_TERMS}:
            assert Role.ARBITRATOR not in row.roles
        if row.act is Act.RULE:
            assert row.roles == {Role.ARBITRATOR}


def test_every_word_has_its_sentence():
    for word in (*Role, *State, *Stage, *Act, *Fact, *Clock):
        assert word.meaning.endswith("."), f"{word!r} has no sentence beside it"
        assert word.meaning[0].isupper(), word


@given(st.data())
def test_a_walk_of_legal_steps_never_leaves_the_table(data):
    state = table.START.target
    for _ in range(60):
        choices = [row for row in table.rows() if row.source is state]
        row = data.draw(st.sampled_from(choices))
        role = data.draw(st.sampled_from(sorted(row.roles)))
        state = table.step(state, row.act, frozenset({role})).target
    while state is not table.FINAL:
        act = clocks.TIMERS[clocks.STAGE_CLOCKS[state]].acts[0]
        state = table.step(state, act, frozenset({Role.CLOCK})).target


def test_every_act_is_done_or_listed_as_not_implemented():
    done = actions.PEOPLE.keys() | actions.CONSEQUENCES.keys() | actions.WITHIN
    owed = sorted(set(Act) - done - actions.NOT_IMPLEMENTED)
    assert not owed, f"{owed}: write the function, name it in odr/actions.py (people do it: PEOPLE)"
    stale = sorted(done & actions.NOT_IMPLEMENTED)
    assert not stale, f"{stale} can be done: strike out of odr/actions.py NOT_IMPLEMENTED"


def test_the_readme_shows_the_table_as_it_is():
    text = docs.README.read_text(encoding="utf-8")
    assert docs.renewed(text) == text, "run: make docs"


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="markers"):
        docs.renewed("# nothing here")
