# ruff: noqa: S608 - the SQL is the attack
"""What the database itself refuses, whoever asks; and that no part of the schema is idle.

The table beside this module has a line for each attack; some more are made here. The last test
takes each constraint, trigger, grant and protection away in turn and asks the table again.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

TABLE = Path(__file__).with_name("ledger_attacks.txt")
NAMES = {
    name: f"00000000-0000-8000-8000-{number:012x}"
    for number, name in enumerate(
        (
            *("WORLD", "PLATFORM", "ESCROW", "PAYABLE", "RECEIVABLE", "YEN", "RIGHT", "RIGHTS"),
            *("PAID", "HELD", "POSTED", "POST", "LAPSED", "LENT", "FILLED"),
            *("OWNER", "NEW", "NEWER", "NOBODY"),
        ),
        start=1,
    )
} | {"EXPIRY": "2100-01-01Z", "-": None}

AS = {
    "app": "SET SESSION AUTHORIZATION concord_app",
    "owner": "SET ROLE concord_owner",
    "root": "SET ROLE postgres",
    "asleep": "SET LOCAL session_replication_role = replica",  # foreign keys are not checked
}
NULL = "23502"
STATES = {
    "denied": "42501",
    "not_a_number": "22P02",
    "out_of_range": "22003",
}

TABLES = {
    "transfers": "amount = amount + 1",
    "balances": "debits_posted = 0",
    "accounts": "owner = id",
    "kinds": "stripes = 2",
    "currencies": "exponent = 3",
}
HOOK = """
    CREATE TRIGGER hook BEFORE INSERT ON ledger.{}
    FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
"""
INNER = ("refuse", "refuse_by_hand", "open_balances", "stamp", "move_counters")

COLUMNS = {
    "id": "uuid",
    "op": "text",
    "debit": "uuid",
    "credit": "uuid",
    "currency": "text",
    "amount": "bigint",
    "expires": "timestamptz",
    "pending": "uuid",
    "code": "text",
    "cause": "uuid",
}
SINGLE = dict.fromkeys(COLUMNS) | {
    "id": "NEW",
    "op": "single",
    "debit": "ESCROW",
    "credit": "PAYABLE",
    "currency": "EUR",
    "amount": "1",
    "code": "x",
    "cause": "OWNER",
}
CALLS = {
    "book": SINGLE,
    "again": SINGLE | {"id": "PAID", "debit": "WORLD", "credit": "ESCROW", "amount": "110"},
    "resolve": dict.fromkeys(COLUMNS)
    | {"id": "NEW", "op": "post", "pending": "HELD", "code": "x", "cause": "OWNER"},
}
ROW = {name: value for name, value in SINGLE.items() if value} | {"unit": "money"}
COPY = {
    "op": "post",
    "amount": "40",
    "pending_id": "HELD",
    "pending_op": "pending",
    "pending_debit": "ESCROW",
    "pending_credit": "PAYABLE",
    "pending_currency": "EUR",
    "pending_amount": "40",
    "pending_expires": "infinity",
}
ACCOUNT = {"id": "NOBODY", "kind": "escrow", "owner": "NOBODY", "currency": "EUR"}
INSERTS = {
    "row": ("transfers", ROW),
    "post": ("transfers", ROW | COPY),
    "account": ("accounts", ACCOUNT | {"unit": "money", "rule": "within_credits", "stripes": "1"}),
    "balance": ("balances", {"account": "ESCROW", "stripe": "1", "rule": "within_credits"}),
    "kind": ("kinds", {"kind": "k", "unit": "money", "rule": "within_credits", "stripes": "1"}),
    "currency": ("currencies", {"code": "ZZZ", "exponent": "2"}),
}


@dataclass(frozen=True)
class Attack:
    who: str
    what: str
    sql: str
    refusal: str


def value(word):
    word = NAMES.get(word, word)
    return "NULL" if word is None else f"'{word}'"


def given(words):
    return dict(word.split("=", 1) for word in shlex.split(words))


def call(rows):
    arrays = (
        f"ARRAY[{', '.join(value(row[name]) for row in rows)}]::{type_}[]"
        for name, type_ in COLUMNS.items()
    )
    return f"SELECT ledger.book({', '.join(arrays)})"


def statement(how):
    """Write the SQL for a line's third column; what it does not know is SQL already."""
    verb, _, rest = how.partition(" ")
    if verb in CALLS:
        return call([CALLS[verb] | given(part) for part in rest.split(";")])
    if verb == "open":
        row = ACCOUNT | given(rest)
        return (
            f"SELECT ledger.open_accounts(ARRAY[{value(row['id'])}]::uuid[],"
            f" ARRAY[{value(row['kind'])}]::text[], ARRAY[{value(row['owner'])}]::uuid[],"
            f" ARRAY[{value(row['currency'])}]::text[])"
        )
    if verb in INSERTS:
        table, usual = INSERTS[verb]
        row = usual | given(rest)
        columns, values = ", ".join(row), ", ".join(map(value, row.values()))
        return f"INSERT INTO ledger.{table} ({columns}) VALUES ({values})"
    if verb == "counters":
        for name, id_ in NAMES.items():
            rest = rest.replace(f"'{name}'", f"'{id_}'")
        return f"UPDATE ledger.balances SET {rest}"
    if verb == "deep":
        return f"""
            CREATE TABLE public.bait (a int);
            CREATE FUNCTION public.bite() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN {statement(rest)}; RETURN NEW; END $$;
            CREATE TRIGGER bite BEFORE INSERT ON public.bait
                FOR EACH ROW EXECUTE FUNCTION public.bite();
            INSERT INTO public.bait VALUES (1)"""
    return how


TRAPS = [
    ("array_remove(uuid[], uuid)", "uuid[]", "app", "book amount=0", "transfers_amount_in_bounds"),
    ("cardinality(uuid[])", "int", "app", "open currency=XXX", "accounts_currency"),
    ("current_setting(text)", "text", "root", "row amount=51", "balances_within_credits"),
    ("current_setting(text)", "text", "asleep", "account rule=lax", "accounts_rechecked"),
    ("format(text, text, text)", "text", "root", "DELETE FROM ledger.kinds", "kinds_are_immutable"),
    ("pg_trigger_depth()", "int", "root", "balance", "balances_follow_transfers"),
]


def trap(function, result, role, how):
    """Put a function of the attacker's own before PostgreSQL's on the path, and try."""
    return f"""
        CREATE SCHEMA trap;
        GRANT USAGE ON SCHEMA trap TO PUBLIC;
        CREATE FUNCTION trap.{function} RETURNS {result} LANGUAGE plpgsql
            AS $$ BEGIN RAISE 'trapped' USING ERRCODE = 'ZZ999'; END $$;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA trap TO PUBLIC;
        SET LOCAL search_path = trap, pg_catalog;
        {AS[role]};
        {statement(how)}"""


def attacks():
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        who, what, how, refusal = (part.strip() for part in line.split(" | "))
        yield Attack(who, what, statement(how), refusal)
    yield from attacks_on_each_table()
    for function in INNER:
        yield Attack("app", f"call {function}", f"SELECT ledger.{function}()", "denied")
    uneven = statement("book").replace("ARRAY['x']", "ARRAY['x', 'x']")
    yield Attack("app", "send uneven arrays", uneven, "transfers_input")
    flood = f"{'array_fill(NULL::uuid, ARRAY[10001]), '}{'NULL, ' * 8}NULL"
    yield Attack("app", "send a flood", f"SELECT ledger.book({flood})", "transfers_input")
    uneven = statement("open").replace("ARRAY['EUR']", "ARRAY['EUR', 'EUR']")
    yield Attack("app", "open with uneven arrays", uneven, "accounts_input")
    most = SINGLE | {"debit": "RECEIVABLE", "credit": "PLATFORM", "amount": str(2**53 - 1)}
    over = "array_agg(gen_random_uuid()), " + ", ".join(
        f"array_agg({value(most[name])}::{type_})" for name, type_ in list(COLUMNS.items())[1:]
    )
    over = f"SELECT ledger.book({over}) FROM generate_series(1, 9999)"
    yield Attack("app", "run the counters over", over, "out_of_range")
    stopped = f"DELETE FROM public.service_clock; {statement('row')}"
    yield Attack("root", "stop the clock", stopped, "transfers.created")
    for function, result, role, how, refusal in TRAPS:
        yield Attack("root", f"trap {function}", trap(function, result, role, how), refusal)


def attacks_on_each_table():
    for table, change in TABLES.items():
        changed = "balances_follow_transfers" if table == "balances" else f"{table}_are_immutable"
        for who in ("app", "owner", "root", "asleep"):
            for what, sql, refusal in (
                (f"update {table}", f"UPDATE ledger.{table} SET {change}", changed),
                (f"delete {table}", f"DELETE FROM ledger.{table}", f"{table}_are_immutable"),
                (
                    f"truncate {table}",
                    f"TRUNCATE ledger.{table} CASCADE",
                    f"{table}_are_immutable",
                ),
            ):
                yield Attack(who, what, sql, "denied" if who == "app" else refusal)
        for what, sql in (
            ("insert into", f"INSERT INTO ledger.{table} DEFAULT VALUES"),
            ("lock rows of", f"SELECT FROM ledger.{table} FOR UPDATE"),
            ("lock", f"LOCK ledger.{table} IN EXCLUSIVE MODE"),
            ("drop", f"DROP TABLE ledger.{table} CASCADE"),
            ("disable triggers of", f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL"),
            ("hang a trigger on", HOOK.format(table)),
        ):
            yield Attack("app", f"{what} {table}", sql, "denied")


ATTACKS = list(attacks())

# What the service must be able to do: an attack list alone would be content with a locked door.
USES = [
    *(
        f"SELECT FROM ledger.{name}"
        for name in (*TABLES, "account_balances", "holds", "trial_balance", "audit")
    ),
    statement("open id=NOBODY owner=NOBODY"),
    statement("book amount=50"),
    statement("resolve amount=39"),
    statement("resolve op=void pending=LAPSED"),
    statement("again"),
]

SET_UP = f"""
    UPDATE public.service_clock SET demo = true;
    SELECT ledger.open_accounts(
        ARRAY[{", ".join(value(a) for a in list(NAMES)[:8])}]::uuid[],
        ARRAY['world', 'platform', 'escrow', 'payable', 'receivable', 'world', 'entitlement',
              'entitlement_issued'],
        array_fill({value("OWNER")}::uuid, ARRAY[8]),
        ARRAY['EUR', 'EUR', 'EUR', 'EUR', 'EUR', 'JPY', 'EUR', 'EUR']);
    {statement("again")};
    {statement("book id=LENT debit=RECEIVABLE credit=PLATFORM amount=70")};
    {statement("book id=FILLED debit=RIGHTS credit=RIGHT amount=100")};
    {statement("book id=HELD op=pending amount=40")};
    {statement("book id=POSTED op=pending amount=10")};
    {statement("resolve id=POST pending=POSTED")};
    {statement("book id=LAPSED op=pending amount=10 expires=EXPIRY")};
    UPDATE public.service_clock SET ahead = '100 years';
"""


async def run(conn, who, sql):
    """Do it as somebody, undo it, and tell what refused it."""
    savepoint = conn.transaction()
    await savepoint.start()
    try:
        await conn.execute(AS[who])
        await conn.execute(sql)
    except asyncpg.PostgresError as error:
        place = f"{error.table_name}.{error.column_name}"
        return {error.sqlstate, place if error.sqlstate == NULL else error.constraint_name}
    finally:
        await savepoint.rollback()
    return {"nothing"}


async def unrefused(conn, first=""):
    """List what is not as it must be; attacks that must be refused by ``first`` come first."""
    for use in USES:
        met = await run(conn, "app", use)
        if met != {"nothing"}:
            yield f"{use} is refused by {met}"
    for attack in sorted(ATTACKS, key=lambda attack: attack.refusal != first):
        met = await run(conn, attack.who, attack.sql)
        if STATES.get(attack.refusal, attack.refusal) not in met:
            yield f"{attack.who}: {attack.what}: refused by {met}, not by {attack.refusal}"


@pytest.fixture
async def conn(admin):
    """A superuser's transaction in which the attacked world stands; never committed."""
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute(SET_UP)
    yield admin
    await transaction.rollback()


def test_there_are_enough_attacks_and_each_has_its_own_name():
    assert len({(attack.who, attack.sql) for attack in ATTACKS}) == len(ATTACKS) >= 62
    assert {attack.who for attack in ATTACKS} == set(AS)


async def test_every_attack_is_refused_by_the_part_that_is_there_for_it(conn):
    assert [finding async for finding in unrefused(conn)] == []
    assert await conn.fetch("SELECT * FROM ledger.audit") == []


CONSTRAINTS = """
    SELECT conname,
        format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname)
    FROM pg_constraint
    WHERE connamespace = 'ledger'::regnamespace AND contype IN ('c', 'f', 'u', 'p')
    UNION ALL
    SELECT format('%s.%s', relname, attname),
        format('ALTER TABLE %s ALTER %I DROP NOT NULL', a.attrelid::regclass, a.attname)
    FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
    WHERE t.relnamespace = 'ledger'::regnamespace AND t.relkind = 'r'
      AND a.attnotnull AND a.attnum > 0
      -- The key says it as well, and PostgreSQL does not let it go.
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary
                      AND a.attnum = ANY (i.indkey))
"""
TRIGGERS = """
    SELECT CASE tgfoid WHEN 'ledger.refuse()'::regprocedure THEN relname || '_are_immutable'
        WHEN 'ledger.refuse_by_hand()'::regprocedure THEN 'balances_follow_transfers'
        ELSE relname || '_rechecked' END, format(how, tgname, tgrelid::regclass)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid, (VALUES
        ('DROP TRIGGER %1$I ON %2$s'), ('ALTER TABLE %2$s ENABLE TRIGGER %1$I')) AS w (how)
    WHERE c.relnamespace = 'ledger'::regnamespace AND NOT tgisinternal
"""
GRANTS = """
    SELECT '', format('REVOKE %s ON %s FROM concord_app', g.privilege_type, c.oid::regclass)
    FROM pg_class c, aclexplode(c.relacl) g
    WHERE c.relnamespace = 'ledger'::regnamespace AND g.grantee = 'concord_app'::regrole
    UNION ALL
    SELECT '', format('REVOKE EXECUTE ON FUNCTION %s FROM concord_app', p.oid::regprocedure)
    FROM pg_proc p, aclexplode(p.proacl) g
    WHERE p.pronamespace = 'ledger'::regnamespace AND g.grantee = 'concord_app'::regrole
    UNION ALL SELECT '', 'REVOKE USAGE ON SCHEMA ledger FROM concord_app'
    UNION ALL SELECT 'denied', 'GRANT CREATE ON SCHEMA ledger TO concord_app'
    UNION ALL
    SELECT 'denied', format('GRANT %s ON %s TO concord_app', privilege, c.oid::regclass)
    FROM pg_class c, unnest('{INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) AS privilege
    WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT 'denied', format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', p.oid::regprocedure)
    FROM pg_proc p
    WHERE p.pronamespace = 'ledger'::regnamespace AND p.prorettype = 'trigger'::regtype
"""
FUNCTIONS = """
    SELECT '', format('ALTER FUNCTION %s SECURITY INVOKER', p.oid::regprocedure)
    FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace AND p.prosecdef
    UNION ALL
    SELECT '', format('ALTER FUNCTION %s RESET search_path', p.oid::regprocedure)
    FROM pg_proc p WHERE p.pronamespace = 'ledger'::regnamespace AND p.proconfig IS NOT NULL
"""


async def test_no_part_of_the_schema_can_be_taken_away_unnoticed(conn):
    mutants = [
        tuple(row)
        for query in (CONSTRAINTS, TRIGGERS, GRANTS, FUNCTIONS)
        for row in await conn.fetch(query)
    ]
    survivors = []
    for first, mutation in mutants:
        savepoint = conn.transaction()
        await savepoint.start()
        await conn.execute(mutation)
        if not [finding async for finding in first_of(unrefused(conn, first))]:
            survivors.append(mutation)
        await savepoint.rollback()
    assert len(mutants) >= 130
    assert survivors == []


async def first_of(findings):
    async for finding in findings:
        yield finding
        return
