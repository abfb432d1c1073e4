-- The ledger: money moves as transfers that nobody can change, and balances follow from them.
--
-- One row is one transfer from a debited to a credited account, so an unbalanced entry cannot be
-- written. A pending transfer is a hold; one other row, at most, posts or voids it. Everything
-- that must never happen is refused here, by constraints, grants and triggers, whoever asks:
-- what the service may do is to call ledger.open_accounts and ledger.book.
--
-- Run once, in one transaction, as concord_owner, when the role concord_app and the function
-- public.service_now() exist. Whoever may drop a trigger can do anything: against that stand
-- ledger.audit, the record and the witnesses.
--
-- For partitioning later: ids begin with the month of the order, a resolution's as its hold's,
-- so every key here can carry the month. Triggers for statements have to be made again on each
-- partition. No deferred constraint, generated column, exclusion constraint or notification.

CREATE SCHEMA ledger;

-- ISO 4217's minor units; odr/money.py holds the same list, and a test compares them.
CREATE TABLE ledger.currencies (
    code text CONSTRAINT currencies_pkey PRIMARY KEY,
    exponent smallint NOT NULL,
    CONSTRAINT currencies_code CHECK (code ~ '^[A-Z]{3}$'),
    CONSTRAINT currencies_exponent CHECK (exponent BETWEEN 0 AND 4)
);
INSERT INTO ledger.currencies (code, exponent) VALUES
    ('AED', 2), ('AFN', 2), ('ALL', 2), ('AMD', 2), ('AOA', 2), ('ARS', 2), ('AUD', 2),
    ('AWG', 2), ('AZN', 2), ('BAM', 2), ('BBD', 2), ('BDT', 2), ('BGN', 2), ('BHD', 3),
    ('BIF', 0), ('BMD', 2), ('BND', 2), ('BOB', 2), ('BRL', 2), ('BSD', 2), ('BTN', 2),
    ('BWP', 2), ('BYN', 2), ('BZD', 2), ('CAD', 2), ('CDF', 2), ('CHF', 2), ('CLP', 0),
    ('CNY', 2), ('COP', 2), ('CRC', 2), ('CUP', 2), ('CVE', 2), ('CZK', 2), ('DJF', 0),
    ('DKK', 2), ('DOP', 2), ('DZD', 2), ('EGP', 2), ('ERN', 2), ('ETB', 2), ('EUR', 2),
    ('FJD', 2), ('FKP', 2), ('GBP', 2), ('GEL', 2), ('GHS', 2), ('GIP', 2), ('GMD', 2),
    ('GNF', 0), ('GTQ', 2), ('GYD', 2), ('HKD', 2), ('HNL', 2), ('HTG', 2), ('HUF', 2),
    ('IDR', 2), ('ILS', 2), ('INR', 2), ('IQD', 3), ('IRR', 2), ('ISK', 0), ('JMD', 2),
    ('JOD', 3), ('JPY', 0), ('KES', 2), ('KGS', 2), ('KHR', 2), ('KMF', 0), ('KPW', 2),
    ('KRW', 0), ('KWD', 3), ('KYD', 2), ('KZT', 2), ('LAK', 2), ('LBP', 2), ('LKR', 2),
    ('LRD', 2), ('LSL', 2), ('LYD', 3), ('MAD', 2), ('MDL', 2), ('MGA', 2), ('MKD', 2),
    ('MMK', 2), ('MNT', 2), ('MOP', 2), ('MRU', 2), ('MUR', 2), ('MVR', 2), ('MWK', 2),
    ('MXN', 2), ('MYR', 2), ('MZN', 2), ('NAD', 2), ('NGN', 2), ('NIO', 2), ('NOK', 2),
    ('NPR', 2), ('NZD', 2), ('OMR', 3), ('PAB', 2), ('PEN', 2), ('PGK', 2), ('PHP', 2),
    ('PKR', 2), ('PLN', 2), ('PYG', 0), ('QAR', 2), ('RON', 2), ('RSD', 2), ('RUB', 2),
    ('RWF', 0), ('SAR', 2), ('SBD', 2), ('SCR', 2), ('SDG', 2), ('SEK', 2), ('SGD', 2),
    ('SHP', 2), ('SLE', 2), ('SOS', 2), ('SRD', 2), ('SSP', 2), ('STN', 2), ('SYP', 2),
    ('SZL', 2), ('THB', 2), ('TJS', 2), ('TMT', 2), ('TND', 3), ('TOP', 2), ('TRY', 2),
    ('TTD', 2), ('TWD', 2), ('TZS', 2), ('UAH', 2), ('UGX', 0), ('USD', 2), ('UYU', 2),
    ('UZS', 2), ('VES', 2), ('VND', 0), ('VUV', 0), ('WST', 2), ('XAF', 0), ('XCD', 2),
    ('XCG', 2), ('XOF', 0), ('XPF', 0), ('YER', 2), ('ZAR', 2), ('ZMW', 2), ('ZWG', 2);

-- What kinds of account there are. The unit keeps money apart from what is only counted like
-- money; a transfer stays within one unit. The rule says which side bounds the other:
--   within_credits  what was paid in bounds what goes out and is held (escrow, bond, payable)
--   within_debits   what is owed bounds what is paid back (receivable)
--   unbounded       the outside world and its counterparts; hot ones are striped over many rows
CREATE TABLE ledger.kinds (
    kind text CONSTRAINT kinds_pkey PRIMARY KEY,
    unit text NOT NULL,
    rule text NOT NULL,
    stripes smallint NOT NULL,
    CONSTRAINT kinds_unit CHECK (unit IN ('money', 'entitlement', 'compensation', 'coupon')),
    CONSTRAINT kinds_rule CHECK (rule IN ('within_credits', 'within_debits', 'unbounded')),
    CONSTRAINT kinds_stripes CHECK (stripes BETWEEN 1 AND 64),
    -- A bound has to be judged on one row.
    CONSTRAINT kinds_only_unbounded_are_striped CHECK (stripes = 1 OR rule = 'unbounded'),
    CONSTRAINT kinds_copied UNIQUE (kind, unit, rule, stripes)
);
INSERT INTO ledger.kinds (kind, unit, rule, stripes) VALUES
    ('world', 'money', 'unbounded', 16),
    ('rail', 'money', 'unbounded', 16),
    ('platform', 'money', 'unbounded', 16),
    ('suspense', 'money', 'unbounded', 16),
    ('escrow', 'money', 'within_credits', 1),
    ('payable', 'money', 'within_credits', 1),
    ('proceeds', 'money', 'within_credits', 1),
    ('bond', 'money', 'within_credits', 1),
    ('loss_fund', 'money', 'within_credits', 1),
    ('receivable', 'money', 'within_debits', 1),
    ('entitlement', 'entitlement', 'within_credits', 1),
    ('entitlement_issued', 'entitlement', 'unbounded', 16),
    ('compensation_cap', 'compensation', 'within_credits', 1),
    ('compensation_issued', 'compensation', 'unbounded', 16),
    ('coupon', 'coupon', 'within_credits', 1),
    ('coupon_issued', 'coupon', 'unbounded', 16);

CREATE TABLE ledger.accounts (
    id uuid CONSTRAINT accounts_pkey PRIMARY KEY,
    kind text NOT NULL,
    owner uuid NOT NULL,
    currency text NOT NULL CONSTRAINT accounts_currency REFERENCES ledger.currencies,
    unit text NOT NULL,
    rule text NOT NULL,
    stripes smallint NOT NULL,
    -- The kind decides unit, rule and stripes: nobody opens an escrow that may be overdrawn.
    CONSTRAINT accounts_as_their_kind FOREIGN KEY (kind, unit, rule, stripes)
        REFERENCES ledger.kinds (kind, unit, rule, stripes) MATCH FULL,
    CONSTRAINT accounts_one_for_each_owner UNIQUE (owner, kind, currency),
    CONSTRAINT accounts_copied_to_transfers UNIQUE (id, unit, currency),
    CONSTRAINT accounts_copied_to_balances UNIQUE (id, rule)
);

-- Four counters for each stripe of an account, moved by the transfers' trigger only.
CREATE TABLE ledger.balances (
    account uuid NOT NULL,
    stripe smallint NOT NULL,
    rule text NOT NULL,
    debits_posted bigint NOT NULL DEFAULT 0,
    credits_posted bigint NOT NULL DEFAULT 0,
    debits_pending bigint NOT NULL DEFAULT 0,
    credits_pending bigint NOT NULL DEFAULT 0,
    CONSTRAINT balances_pkey PRIMARY KEY (account, stripe),
    CONSTRAINT balances_account FOREIGN KEY (account, rule)
        REFERENCES ledger.accounts (id, rule) MATCH FULL,
    CONSTRAINT balances_stripe CHECK (stripe BETWEEN 0 AND 63),
    CONSTRAINT balances_never_negative CHECK (
        least(debits_posted, credits_posted, debits_pending, credits_pending) >= 0
    ),
    CONSTRAINT balances_within_credits CHECK (
        rule <> 'within_credits' OR debits_posted + debits_pending <= credits_posted
    ),
    CONSTRAINT balances_within_debits CHECK (
        rule <> 'within_debits' OR credits_posted + credits_pending <= debits_posted
    )
) WITH (fillfactor = 60);  -- room for the next version of a row on its own page (HOT)

-- single: moves at once. pending: a hold, until it expires. post: executes a hold, wholly or in
-- part, and the rest returns. void: ends a hold, also one that has expired.
--
-- A post or void carries a copy of the hold that it resolves, which a foreign key proves to be
-- true, so that plain CHECKs can judge the two together. A composite key with a NULL in it is not
-- checked: hence MATCH FULL, columns of their own for the copy, and 'infinity' for no expiry.
CREATE TABLE ledger.transfers (
    id uuid CONSTRAINT transfers_pkey PRIMARY KEY,
    op text NOT NULL,
    debit uuid NOT NULL,
    credit uuid NOT NULL,
    unit text NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    expires timestamptz NOT NULL DEFAULT 'infinity',
    created timestamptz NOT NULL,
    cause uuid NOT NULL,  -- the order, case, payout, cover ... that it follows from
    code text NOT NULL,   -- the journal template that it is a line of
    pending_id uuid,
    pending_op text,
    pending_debit uuid,
    pending_credit uuid,
    pending_currency text,
    pending_amount bigint,
    pending_expires timestamptz,
    CONSTRAINT transfers_op CHECK (op IN ('single', 'pending', 'post', 'void')),
    CONSTRAINT transfers_amount_in_bounds CHECK (amount BETWEEN 1 AND 9007199254740991),
    CONSTRAINT transfers_two_accounts CHECK (debit <> credit),
    CONSTRAINT transfers_code CHECK (code ~ '^[a-z][a-z0-9_]{0,62}$'),
    CONSTRAINT transfers_only_holds_expire CHECK (op = 'pending' OR expires = 'infinity'),
    CONSTRAINT transfers_hold_outlives_its_making CHECK (expires > created),
    CONSTRAINT transfers_resolution_names_hold CHECK (
        (op IN ('post', 'void')) = (pending_id IS NOT NULL)
    ),
    CONSTRAINT transfers_resolution_of_hold CHECK (pending_op = 'pending'),
    CONSTRAINT transfers_resolution_mirrors_hold CHECK (
        pending_debit = debit AND pending_credit = credit AND pending_currency = currency
    ),
    CONSTRAINT transfers_post_within_hold CHECK (op <> 'post' OR amount <= pending_amount),
    CONSTRAINT transfers_void_is_whole CHECK (op <> 'void' OR amount = pending_amount),
    CONSTRAINT transfers_post_in_time CHECK (op <> 'post' OR created < pending_expires),
    CONSTRAINT transfers_hold_resolved_once UNIQUE (pending_id),
    CONSTRAINT transfers_copied
        UNIQUE (id, op, debit, credit, currency, amount, expires),
    CONSTRAINT transfers_hold FOREIGN KEY (
        pending_id, pending_op, pending_debit, pending_credit, pending_currency,
        pending_amount, pending_expires
    ) REFERENCES ledger.transfers (id, op, debit, credit, currency, amount, expires) MATCH FULL,
    CONSTRAINT transfers_debit_account FOREIGN KEY (debit, unit, currency)
        REFERENCES ledger.accounts (id, unit, currency) MATCH FULL,
    CONSTRAINT transfers_credit_account FOREIGN KEY (credit, unit, currency)
        REFERENCES ledger.accounts (id, unit, currency) MATCH FULL
);
CREATE INDEX transfers_by_cause ON ledger.transfers (cause, created);

-- The stripe of an account that a transfer moves: a hold and its resolution share it. Bytes of
-- the id, not hashtext(), whose values may change with PostgreSQL's version.
CREATE FUNCTION ledger.stripe(of_transfer uuid, stripes smallint) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (pg_catalog.get_byte(pg_catalog.uuid_send(of_transfer), 15) % stripes)::smallint;

CREATE FUNCTION ledger.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE restrict_violation USING
        MESSAGE = format('%s on ledger.%s: what is booked stays', TG_OP, TG_TABLE_NAME),
        CONSTRAINT = TG_TABLE_NAME || '_are_immutable', TABLE = TG_TABLE_NAME, SCHEMA = 'ledger';
END $$;

-- Balances change inside the trigger of another table, or not at all.
CREATE FUNCTION ledger.refuse_by_hand() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE restrict_violation USING
            MESSAGE = format('%s on ledger.balances: only transfers move them', TG_OP),
            CONSTRAINT = 'balances_follow_transfers', TABLE = 'balances', SCHEMA = 'ledger';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION ledger.open_balances() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Foreign keys sleep in replica mode, this trigger does not.
    IF current_setting('session_replication_role') = 'replica' AND EXISTS (
        SELECT FROM added a
        WHERE NOT EXISTS (SELECT FROM ledger.currencies c WHERE c.code = a.currency)
           OR NOT EXISTS (
            SELECT FROM ledger.kinds k
            WHERE (k.kind, k.unit, k.rule, k.stripes) = (a.kind, a.unit, a.rule, a.stripes)
        )
    ) THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'an account of no known kind or currency',
            CONSTRAINT = 'accounts_rechecked', TABLE = 'accounts', SCHEMA = 'ledger';
    END IF;
    INSERT INTO ledger.balances (account, stripe, rule)
    SELECT a.id, s.stripe, a.rule FROM added a, generate_series(0, a.stripes - 1) AS s (stripe);
    RETURN NULL;
END $$;

-- Nobody chooses when something happened.
CREATE FUNCTION ledger.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created := public.service_now();
    RETURN NEW;
END $$;

CREATE FUNCTION ledger.move_counters() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('session_replication_role') = 'replica' THEN
        PERFORM FROM added a
        WHERE NOT EXISTS (
            SELECT FROM ledger.accounts d
            WHERE (d.id, d.unit, d.currency) = (a.debit, a.unit, a.currency)
        ) OR NOT EXISTS (
            SELECT FROM ledger.accounts c
            WHERE (c.id, c.unit, c.currency) = (a.credit, a.unit, a.currency)
        );
        IF FOUND THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'a transfer between no two accounts of its unit and currency',
                CONSTRAINT = 'transfers_accounts_rechecked', TABLE = 'transfers', SCHEMA = 'ledger';
        END IF;
        PERFORM FROM added a
        WHERE num_nonnulls(
            a.pending_id, a.pending_op, a.pending_debit, a.pending_credit, a.pending_currency,
            a.pending_amount, a.pending_expires
        ) > 0 AND NOT EXISTS (
            SELECT FROM ledger.transfers h
            WHERE (h.id, h.op, h.debit, h.credit, h.currency, h.amount, h.expires)
                = (a.pending_id, a.pending_op, a.pending_debit, a.pending_credit,
                   a.pending_currency, a.pending_amount, a.pending_expires)
        );
        IF FOUND THEN
            RAISE foreign_key_violation USING
                MESSAGE = 'a post or void of no such hold',
                CONSTRAINT = 'transfers_hold_rechecked', TABLE = 'transfers', SCHEMA = 'ledger';
        END IF;
    END IF;
    -- All rows of the statement at once: what an act leaves behind is judged, not its order.
    UPDATE ledger.balances b SET
        debits_posted = b.debits_posted + m.debits_posted,
        credits_posted = b.credits_posted + m.credits_posted,
        debits_pending = b.debits_pending + m.debits_pending,
        credits_pending = b.credits_pending + m.credits_pending
    FROM (
        SELECT
            c.id AS account,
            ledger.stripe(coalesce(a.pending_id, a.id), c.stripes) AS stripe,
            sum(CASE WHEN leg.debited THEN p.posted ELSE 0 END)::bigint AS debits_posted,
            sum(CASE WHEN leg.debited THEN 0 ELSE p.posted END)::bigint AS credits_posted,
            sum(CASE WHEN leg.debited THEN p.pending ELSE 0 END)::bigint AS debits_pending,
            sum(CASE WHEN leg.debited THEN 0 ELSE p.pending END)::bigint AS credits_pending
        FROM added a
        CROSS JOIN LATERAL (VALUES (a.debit, true), (a.credit, false)) AS leg (account, debited)
        CROSS JOIN LATERAL (SELECT
            CASE WHEN a.op IN ('single', 'post') THEN a.amount ELSE 0 END AS posted,
            CASE a.op WHEN 'pending' THEN a.amount WHEN 'single' THEN 0 ELSE -a.pending_amount END
                AS pending
        ) AS p
        JOIN ledger.accounts c ON c.id = leg.account
        GROUP BY 1, 2
    ) AS m
    WHERE b.account = m.account AND b.stripe = m.stripe;
    RETURN NULL;
END $$;

CREATE TRIGGER stamped BEFORE INSERT ON ledger.transfers
    FOR EACH ROW EXECUTE FUNCTION ledger.stamp();
CREATE TRIGGER counted AFTER INSERT ON ledger.transfers
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.move_counters();
CREATE TRIGGER opened AFTER INSERT ON ledger.accounts
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.open_balances();
CREATE TRIGGER by_transfers_only BEFORE INSERT OR UPDATE ON ledger.balances
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_by_hand();
ALTER TABLE ledger.transfers ENABLE ALWAYS TRIGGER stamped;
ALTER TABLE ledger.transfers ENABLE ALWAYS TRIGGER counted;
ALTER TABLE ledger.accounts ENABLE ALWAYS TRIGGER opened;
ALTER TABLE ledger.balances ENABLE ALWAYS TRIGGER by_transfers_only;

-- Immutable, also for a superuser in replica mode.
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.transfers
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.accounts
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.kinds
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.currencies
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER immutable BEFORE DELETE ON ledger.balances
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER untruncated BEFORE TRUNCATE ON ledger.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER untruncated BEFORE TRUNCATE ON ledger.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER untruncated BEFORE TRUNCATE ON ledger.kinds
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER untruncated BEFORE TRUNCATE ON ledger.currencies
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse();
CREATE TRIGGER untruncated BEFORE TRUNCATE ON ledger.balances
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse();
ALTER TABLE ledger.transfers ENABLE ALWAYS TRIGGER immutable;
ALTER TABLE ledger.accounts ENABLE ALWAYS TRIGGER immutable;
ALTER TABLE ledger.kinds ENABLE ALWAYS TRIGGER immutable;
ALTER TABLE ledger.currencies ENABLE ALWAYS TRIGGER immutable;
ALTER TABLE ledger.balances ENABLE ALWAYS TRIGGER immutable;
ALTER TABLE ledger.transfers ENABLE ALWAYS TRIGGER untruncated;
ALTER TABLE ledger.accounts ENABLE ALWAYS TRIGGER untruncated;
ALTER TABLE ledger.kinds ENABLE ALWAYS TRIGGER untruncated;
ALTER TABLE ledger.currencies ENABLE ALWAYS TRIGGER untruncated;
ALTER TABLE ledger.balances ENABLE ALWAYS TRIGGER untruncated;

-- Opens the accounts that are not open yet. An account is a kind, an owner and a currency; the
-- same three under another id, or the id under others, are refused (unique_violation).
CREATE FUNCTION ledger.open_accounts(
    ids uuid[], kinds text[], owners uuid[], currencies text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM unnest(kinds) AS w (kind)
    WHERE NOT EXISTS (SELECT FROM ledger.kinds k WHERE k.kind = w.kind);
    IF FOUND OR cardinality(ids) <> ANY (ARRAY[
        cardinality(kinds), cardinality(owners), cardinality(currencies)
    ]) THEN
        RAISE check_violation USING
            MESSAGE = 'an account needs an id, a known kind, an owner and a currency',
            CONSTRAINT = 'accounts_input', TABLE = 'accounts', SCHEMA = 'ledger';
    END IF;
    INSERT INTO ledger.accounts (id, kind, owner, currency, unit, rule, stripes)
    SELECT w.id, k.kind, w.owner, w.currency, k.unit, k.rule, k.stripes
    FROM unnest(ids, kinds, owners, currencies) AS w (id, kind, owner, currency)
    JOIN ledger.kinds k USING (kind)
    ORDER BY w.id  -- two that open the same accounts wait for each other in one order
    -- By whatever key: with the id alone, two at once could trip over the other one.
    ON CONFLICT DO NOTHING;
    PERFORM FROM unnest(ids, kinds, owners, currencies) AS w (id, kind, owner, currency)
    LEFT JOIN ledger.accounts a USING (id)
    WHERE (a.kind, a.owner, a.currency) IS DISTINCT FROM (w.kind, w.owner, w.currency);
    IF FOUND THEN
        RAISE unique_violation USING
            MESSAGE = 'this id is another account''s, or this account has another id',
            CONSTRAINT = 'accounts_one_id_for_each', TABLE = 'accounts', SCHEMA = 'ledger';
    END IF;
END $$;

-- Books a batch: all of it or nothing. One act is one call, because the accounts of the whole
-- batch are locked first, in the order of their ids, so that no two batches can deadlock.
--
-- A post or void names its hold in "pendings"; its accounts and currency are the hold's and may
-- be NULL, as may its amount, which then is the hold's. An expiry of NULL is none. Returns the
-- ids that were booked before, with the same content, which is no error; with other content it
-- is (transfers_same_id_same_content). A hold cannot be resolved by the batch that makes it.
CREATE FUNCTION ledger.book(
    ids uuid[], ops text[], debits uuid[], credits uuid[], currencies text[], amounts bigint[],
    expiries timestamptz[], pendings uuid[], codes text[], causes uuid[]
) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
-- One plan for all batches, and one that stays right when the tables have grown since: the
-- planner takes longer than all the rest, and would plan anew for each length of the arrays.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    batch_max CONSTANT integer := 10000;
    held uuid[];
    known uuid[];
    booked bigint;
BEGIN
    IF cardinality(ids) > batch_max OR array_fill(cardinality(ids), ARRAY[9]) <> ARRAY[
        cardinality(ops), cardinality(debits), cardinality(credits), cardinality(currencies),
        cardinality(amounts), cardinality(expiries), cardinality(pendings),
        cardinality(codes), cardinality(causes)
    ] THEN
        RAISE check_violation USING
            MESSAGE = format('a batch is ten arrays of one length, at most %s', batch_max),
            CONSTRAINT = 'transfers_input', TABLE = 'transfers', SCHEMA = 'ledger';
    END IF;

    held := array_remove(pendings, NULL);
    IF held <> '{}' AND EXISTS (
        SELECT FROM unnest(held) AS w (id)
        WHERE NOT EXISTS (SELECT FROM ledger.transfers h WHERE h.id = w.id AND h.op = 'pending')
    ) THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'a post or void of no such hold',
            CONSTRAINT = 'transfers_hold', TABLE = 'transfers', SCHEMA = 'ledger';
    END IF;

    PERFORM FROM ledger.balances b
    WHERE (b.account, b.stripe) IN (
        SELECT c.id, ledger.stripe(coalesce(w.pending, w.id), c.stripes)
        FROM unnest(ids, debits, credits, pendings) AS w (id, debit, credit, pending)
        LEFT JOIN ledger.transfers h ON h.id = w.pending
        CROSS JOIN LATERAL (VALUES (coalesce(w.debit, h.debit)), (coalesce(w.credit, h.credit)))
            AS leg (account)
        JOIN ledger.accounts c ON c.id = leg.account
    )
    ORDER BY b.account, b.stripe
    FOR NO KEY UPDATE;

    -- Known ids are left out before the constraints see them: a post that is repeated after its
    -- hold's expiry is a repeat, not a late post. ON CONFLICT is for what is twice in the batch,
    -- or slips in between on other accounts, which is other content.
    known := ARRAY(SELECT t.id FROM ledger.transfers t WHERE t.id = ANY (ids));
    INSERT INTO ledger.transfers (
        id, op, debit, credit, unit, currency, amount, expires, cause, code,
        pending_id, pending_op, pending_debit, pending_credit, pending_currency,
        pending_amount, pending_expires
    )
    SELECT
        w.id, w.op, coalesce(w.debit, h.debit), coalesce(w.credit, h.credit),
        coalesce(d.unit, 'money'), coalesce(w.currency, h.currency),
        coalesce(w.amount, h.amount), coalesce(w.expires, 'infinity'), w.cause, w.code,
        h.id, h.op, h.debit, h.credit, h.currency, h.amount, h.expires
    FROM unnest(
        ids, ops, debits, credits, currencies, amounts, expiries, pendings, codes, causes
    ) AS w (id, op, debit, credit, currency, amount, expires, pending, code, cause)
    LEFT JOIN ledger.transfers h ON h.id = w.pending
    LEFT JOIN ledger.accounts d ON d.id = coalesce(w.debit, h.debit)
    WHERE (w.id = ANY (known)) IS NOT TRUE
    ORDER BY w.id
    ON CONFLICT (id) DO NOTHING;
    GET DIAGNOSTICS booked = ROW_COUNT;
    IF booked = cardinality(ids) THEN
        RETURN known;
    END IF;

    PERFORM FROM unnest(
        ids, ops, debits, credits, currencies, amounts, expiries, pendings, codes, causes
    ) AS w (id, op, debit, credit, currency, amount, expires, pending, code, cause)
    JOIN ledger.transfers t ON t.id = w.id
    WHERE (t.op, t.debit, t.credit, t.currency, t.amount, t.expires, t.pending_id, t.code, t.cause)
        IS DISTINCT FROM (
            w.op,
            -- What a resolution may leave out is its hold's; what a transfer must say, it says.
            CASE WHEN w.pending IS NULL THEN w.debit ELSE coalesce(w.debit, t.debit) END,
            CASE WHEN w.pending IS NULL THEN w.credit ELSE coalesce(w.credit, t.credit) END,
            CASE WHEN w.pending IS NULL THEN w.currency ELSE coalesce(w.currency, t.currency) END,
            coalesce(w.amount, t.pending_amount),
            coalesce(w.expires, 'infinity'), w.pending, w.code, w.cause
        );
    IF FOUND THEN
        RAISE unique_violation USING
            MESSAGE = 'a transfer with this id was booked with other content',
            CONSTRAINT = 'transfers_same_id_same_content', TABLE = 'transfers', SCHEMA = 'ledger';
    END IF;
    RETURN known;
END $$;

-- What an account has, over all its stripes. "available" is what may still be taken out of an
-- account within its credits, or paid back on one within its debits; NULL: no bound.
CREATE VIEW ledger.account_balances AS
SELECT
    a.id, a.kind, a.owner, a.currency, a.unit, a.rule,
    s.debits_posted, s.credits_posted, s.debits_pending, s.credits_pending,
    CASE a.rule
        WHEN 'within_credits' THEN s.credits_posted - s.debits_posted - s.debits_pending
        WHEN 'within_debits' THEN s.debits_posted - s.credits_posted - s.credits_pending
    END AS available
FROM ledger.accounts a
CROSS JOIN LATERAL (
    SELECT
        sum(b.debits_posted)::bigint AS debits_posted,
        sum(b.credits_posted)::bigint AS credits_posted,
        sum(b.debits_pending)::bigint AS debits_pending,
        sum(b.credits_pending)::bigint AS credits_pending
    FROM ledger.balances b WHERE b.account = a.id
) AS s;

-- Holds that nothing has resolved yet, the expired ones too.
CREATE VIEW ledger.holds AS
SELECT h.id, h.debit, h.credit, h.unit, h.currency, h.amount, h.expires, h.created, h.cause, h.code
FROM ledger.transfers h
WHERE h.op = 'pending'
  AND NOT EXISTS (SELECT FROM ledger.transfers r WHERE r.pending_id = h.id);

-- Debits equal credits in every unit and currency, posted and pending.
CREATE VIEW ledger.trial_balance AS
SELECT
    a.unit, a.currency,
    sum(b.debits_posted) AS debits_posted, sum(b.credits_posted) AS credits_posted,
    sum(b.debits_pending) AS debits_pending, sum(b.credits_pending) AS credits_pending
FROM ledger.accounts a JOIN ledger.balances b ON b.account = a.id
GROUP BY a.unit, a.currency;

-- Every counter recomputed from the transfers, and every resolution compared with its hold: each
-- row is a finding, and there must never be one.
CREATE VIEW ledger.audit AS
WITH recomputed AS (
    SELECT
        leg.account,
        ledger.stripe(coalesce(t.pending_id, t.id), c.stripes) AS stripe,
        sum(CASE WHEN leg.debited AND t.op IN ('single', 'post') THEN t.amount END) AS dp,
        sum(CASE WHEN NOT leg.debited AND t.op IN ('single', 'post') THEN t.amount END) AS cp,
        sum(CASE WHEN NOT leg.debited THEN 0 WHEN t.op = 'pending' THEN t.amount
            ELSE -t.pending_amount END) AS dq,
        sum(CASE WHEN leg.debited THEN 0 WHEN t.op = 'pending' THEN t.amount
            ELSE -t.pending_amount END) AS cq
    FROM ledger.transfers t
    CROSS JOIN LATERAL (VALUES (t.debit, true), (t.credit, false)) AS leg (account, debited)
    LEFT JOIN ledger.accounts c ON c.id = leg.account
    GROUP BY 1, 2
), compared AS (
    SELECT
        coalesce(b.account, r.account) AS id,
        coalesce(b.stripe, r.stripe) AS stripe,
        ARRAY[b.debits_posted, b.credits_posted, b.debits_pending, b.credits_pending]::numeric[]
            AS stored,
        ARRAY[coalesce(r.dp, 0), coalesce(r.cp, 0), coalesce(r.dq, 0), coalesce(r.cq, 0)]
            AS recomputed
    FROM ledger.balances b FULL JOIN recomputed r ON r.account = b.account AND r.stripe = b.stripe
)
SELECT 'counters' AS finding, id, stripe, stored, recomputed
FROM compared WHERE stored IS DISTINCT FROM recomputed
UNION ALL
SELECT 'stripes', a.id, a.stripes, ARRAY[count(b.*)]::numeric[], ARRAY[a.stripes]::numeric[]
FROM ledger.accounts a
LEFT JOIN ledger.balances b ON b.account = a.id AND b.rule = a.rule AND b.stripe < a.stripes
GROUP BY a.id, a.stripes HAVING count(b.*) <> a.stripes
UNION ALL
SELECT 'resolution', t.id, NULL, ARRAY[t.amount]::numeric[], ARRAY[h.amount]::numeric[]
FROM ledger.transfers t LEFT JOIN ledger.transfers h ON h.id = t.pending_id
WHERE t.op IN ('post', 'void') AND (
    (h.op, h.debit, h.credit, h.currency, h.amount, h.expires)
        IS DISTINCT FROM ('pending', t.debit, t.credit, t.currency, t.pending_amount,
                          t.pending_expires)
    OR t.amount > h.amount OR (t.op = 'post' AND t.created >= h.expires)
);

-- The service may read, and call two functions; nobody else may do anything.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO concord_app;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO concord_app;
GRANT EXECUTE ON FUNCTION ledger.stripe TO concord_app;  -- the audit view calls it
GRANT EXECUTE ON FUNCTION ledger.open_accounts TO concord_app;
GRANT EXECUTE ON FUNCTION ledger.book TO concord_app;
