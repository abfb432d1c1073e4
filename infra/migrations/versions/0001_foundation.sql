-- Rendered by `make migration`; edit the models and the SQL beside them, not this file.

-- A function is for whom it is granted to.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The service's time. Clocks, ledger and record ask public.service_now() and nothing else, so
-- that a demonstration can be moved forward as a whole. Outside demo mode the offset is zero, by
-- a constraint; only concord_owner can make a database a demonstration (UPDATE ... SET demo).

CREATE TABLE public.service_clock (
    id boolean CONSTRAINT service_clock_pkey PRIMARY KEY DEFAULT true,
    ahead interval NOT NULL DEFAULT '0',
    demo boolean NOT NULL DEFAULT false,
    CONSTRAINT service_clock_one_row CHECK (id),
    CONSTRAINT service_clock_only_a_demo_runs_ahead CHECK (demo OR ahead = '0'),
    CONSTRAINT service_clock_never_behind CHECK (ahead >= '0')
);
INSERT INTO public.service_clock DEFAULT VALUES;
GRANT SELECT ON public.service_clock TO concord_app;

-- Moves on within a transaction, as clock_timestamp() does: an act that waited for a lock sees
-- the time at which it got it.
CREATE FUNCTION public.service_now() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN clock_timestamp() + (SELECT c.ahead FROM public.service_clock c);
GRANT EXECUTE ON FUNCTION public.service_now TO concord_app;

-- Moves a demonstration's time forward and returns the new time; anywhere else it is refused
-- (insufficient_privilege). Time never goes back, and no single step is longer than a year.
CREATE FUNCTION public.advance_service_clock(step interval) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF step IS NULL OR step <= '0' OR step > '1 year' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'a step is longer than nothing and at most a year';
    END IF;
    -- In seconds, so that a day has 24 hours whatever the session's zone.
    UPDATE public.service_clock
    SET ahead = ahead + make_interval(secs => extract(epoch FROM step)::double precision)
    WHERE demo;
    IF NOT FOUND THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'the time of this database cannot be moved: it is no demonstration';
    END IF;
    RETURN public.service_now();
END $$;
GRANT EXECUTE ON FUNCTION public.advance_service_clock TO concord_app;

CREATE TABLE vault_streams (
    id UUID NOT NULL,
    size BIGINT NOT NULL,
    head BYTEA NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT vault_streams_size CHECK (size >= 0),
    CONSTRAINT vault_streams_head CHECK (octet_length(head) = 32)
);

CREATE TABLE vault_logs (
    origin TEXT NOT NULL,
    previous TEXT,
    assigned BIGINT NOT NULL,
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    checkpoint TEXT,
    published TIMESTAMP WITH TIME ZONE,
    sealed TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (origin),
    CONSTRAINT vault_logs_size CHECK (0 <= size AND size <= assigned),
    CONSTRAINT vault_logs_root CHECK (octet_length(root) = 32),
    CONSTRAINT vault_logs_checkpoint CHECK ((size = 0) = (checkpoint IS NULL)),
    CONSTRAINT vault_logs_sealed CHECK (sealed IS NULL OR size = assigned),
    UNIQUE (previous),
    FOREIGN KEY(previous) REFERENCES vault_logs (origin)
);

CREATE TABLE vault_unlogged (
    stream UUID NOT NULL,
    seq BIGINT NOT NULL,
    origin TEXT NOT NULL,
    recorded TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (stream, seq)
);

CREATE INDEX vault_unlogged_next ON vault_unlogged (origin, recorded, stream, seq);

CREATE TABLE vault_blobs (
    id UUID NOT NULL,
    sha256 BYTEA NOT NULL,
    sha512 BYTEA NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    cipher_sha256 BYTEA NOT NULL,
    cipher_size BIGINT NOT NULL,
    wrapped_key BYTEA,
    key_id TEXT NOT NULL,
    store_key TEXT NOT NULL,
    store_version TEXT NOT NULL,
    state VARCHAR(8) NOT NULL,
    retained_until TIMESTAMP WITH TIME ZONE,
    retained_at TIMESTAMP WITH TIME ZONE,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT vault_blobs_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT vault_blobs_sha512 CHECK (octet_length(sha512) = 64),
    CONSTRAINT vault_blobs_size CHECK (size > 0),
    CONSTRAINT vault_blobs_type CHECK (octet_length(media_type) BETWEEN 3 AND 127),
    CONSTRAINT vault_blobs_cipher_sha256 CHECK (octet_length(cipher_sha256) = 32),
    CONSTRAINT vault_blobs_cipher_size CHECK (cipher_size > size),
    CONSTRAINT vault_blobs_key CHECK (octet_length(wrapped_key) BETWEEN 16 AND 1024),
    CONSTRAINT vault_blobs_retained CHECK (state <> 'accepted' OR retained_until IS NOT NULL),
    CONSTRAINT vault_blobs_refused CHECK (state <> 'refused' OR wrapped_key IS NULL),
    CONSTRAINT vault_blobs_retained_at CHECK (retained_at IS NULL OR state = 'accepted'),
    UNIQUE (store_key),
    CONSTRAINT vault_blobs_state CHECK (state IN ('stored', 'accepted', 'refused'))
);

CREATE INDEX vault_blobs_key_id ON vault_blobs (key_id, id) WHERE wrapped_key IS NOT NULL;

CREATE INDEX vault_blobs_unfinished ON vault_blobs (created) WHERE state <> 'accepted';

CREATE INDEX vault_blobs_unretained ON vault_blobs (created) WHERE state = 'accepted' AND retained_at IS NULL;

CREATE TABLE vault_retired_keys (
    id TEXT NOT NULL,
    retired TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE outbox (
    id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    subject_id UUID NOT NULL,
    state VARCHAR(40) NOT NULL,
    due TIMESTAMP WITH TIME ZONE NOT NULL,
    tries INTEGER NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE,
    error VARCHAR(500),
    done TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT outbox_state CHECK (state IN ('due', 'done', 'dead'))
);

CREATE INDEX outbox_by_subject ON outbox (subject_id);

CREATE INDEX outbox_due ON outbox (due) WHERE state = 'due';

CREATE TABLE organisations (
    id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    name TEXT NOT NULL CONSTRAINT name_length CHECK (char_length(name) <= 200),
    country VARCHAR(2) NOT NULL,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    marketplace_id UUID,
    reference VARCHAR(100),
    PRIMARY KEY (id),
    UNIQUE (marketplace_id, reference),
    CONSTRAINT admitted CHECK (marketplace_id IS NULL OR (kind = 'seller' AND reference IS NOT NULL)),
    CONSTRAINT organisation_kind CHECK (kind IN ('marketplace', 'seller', 'insurer', 'operator')),
    FOREIGN KEY(marketplace_id) REFERENCES organisations (id)
);

CREATE TABLE accounts (
    id UUID NOT NULL,
    email VARCHAR(254) NOT NULL,
    name TEXT NOT NULL CONSTRAINT name_length CHECK (char_length(name) <= 200),
    language VARCHAR(8) NOT NULL,
    zone VARCHAR(64) NOT NULL,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT email_is_lower CHECK (email = lower(email)),
    UNIQUE (email)
);

CREATE TABLE sign_in_requests (
    id UUID NOT NULL,
    email VARCHAR(254) NOT NULL,
    origin BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX sign_in_requests_by_email ON sign_in_requests (email, at);

CREATE INDEX sign_in_requests_by_origin ON sign_in_requests (origin, at);

CREATE TABLE idempotency (
    actor_id UUID NOT NULL,
    key VARCHAR(100) NOT NULL,
    act VARCHAR(60) NOT NULL,
    digest BYTEA NOT NULL,
    result_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (actor_id, key)
);

CREATE TABLE vault_entries (
    stream UUID NOT NULL,
    seq BIGINT NOT NULL,
    prev BYTEA NOT NULL,
    leaf BYTEA NOT NULL,
    entry BYTEA NOT NULL,
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded TIMESTAMP WITH TIME ZONE NOT NULL,
    salt BYTEA,
    body JSONB,
    blob UUID,
    PRIMARY KEY (stream, seq),
    CONSTRAINT vault_entries_seq CHECK (seq >= 0),
    CONSTRAINT vault_entries_prev CHECK (octet_length(prev) = 32),
    CONSTRAINT vault_entries_leaf CHECK (octet_length(leaf) = 32),
    CONSTRAINT vault_entries_entry CHECK (octet_length(entry) BETWEEN 1 AND 65535),
    CONSTRAINT vault_entries_salt CHECK (octet_length(salt) = 32),
    CONSTRAINT vault_entries_erased CHECK ((salt IS NULL) = (body IS NULL)),
    FOREIGN KEY(stream) REFERENCES vault_streams (id),
    FOREIGN KEY(blob) REFERENCES vault_blobs (id)
);

CREATE INDEX vault_entries_blob ON vault_entries (blob) WHERE blob IS NOT NULL;

CREATE INDEX vault_entries_recorded ON vault_entries (recorded);

CREATE INDEX vault_entries_tombstones ON vault_entries (stream) WHERE body ? 'erased';

CREATE TABLE vault_cosignatures (
    origin TEXT NOT NULL,
    size BIGINT NOT NULL,
    name TEXT NOT NULL,
    key_id BYTEA NOT NULL,
    line TEXT NOT NULL,
    cosigned TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (origin, size, name, key_id),
    CONSTRAINT vault_cosignatures_size CHECK (size > 0),
    CONSTRAINT vault_cosignatures_key_id CHECK (octet_length(key_id) = 4),
    CONSTRAINT vault_cosignatures_line CHECK (octet_length(line) BETWEEN 1 AND 8192),
    FOREIGN KEY(origin) REFERENCES vault_logs (origin)
);

CREATE TABLE vault_timestamps (
    origin TEXT NOT NULL,
    size BIGINT NOT NULL,
    authority TEXT NOT NULL,
    number INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    answer BYTEA NOT NULL,
    stamped TIMESTAMP WITH TIME ZONE NOT NULL,
    expires TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (origin, size, authority, number),
    CONSTRAINT vault_timestamps_size CHECK (size > 0),
    CONSTRAINT vault_timestamps_number CHECK (number >= 0),
    CONSTRAINT vault_timestamps_answer CHECK (octet_length(answer) BETWEEN 1 AND 65536),
    CONSTRAINT vault_timestamps_checkpoint CHECK (octet_length(checkpoint) BETWEEN 1 AND 131072),
    FOREIGN KEY(origin) REFERENCES vault_logs (origin)
);

CREATE TABLE vault_likenesses (
    blob UUID NOT NULL,
    part INTEGER NOT NULL,
    hash BIGINT NOT NULL,
    quarter_0 SMALLINT GENERATED ALWAYS AS (((hash >> 0 & 65535) - 32768)::smallint) STORED NOT NULL,
    quarter_1 SMALLINT GENERATED ALWAYS AS (((hash >> 16 & 65535) - 32768)::smallint) STORED NOT NULL,
    quarter_2 SMALLINT GENERATED ALWAYS AS (((hash >> 32 & 65535) - 32768)::smallint) STORED NOT NULL,
    quarter_3 SMALLINT GENERATED ALWAYS AS (((hash >> 48 & 65535) - 32768)::smallint) STORED NOT NULL,
    PRIMARY KEY (blob, part),
    CONSTRAINT vault_likenesses_part CHECK (part >= 0),
    FOREIGN KEY(blob) REFERENCES vault_blobs (id) ON DELETE CASCADE
);

CREATE INDEX vault_likenesses_quarter_0 ON vault_likenesses (quarter_0, hash) INCLUDE (blob, part);

CREATE INDEX vault_likenesses_quarter_1 ON vault_likenesses (quarter_1, hash) INCLUDE (blob, part);

CREATE INDEX vault_likenesses_quarter_2 ON vault_likenesses (quarter_2, hash) INCLUDE (blob, part);

CREATE INDEX vault_likenesses_quarter_3 ON vault_likenesses (quarter_3, hash) INCLUDE (blob, part);

CREATE TABLE vault_inspections (
    blob UUID NOT NULL,
    state VARCHAR(7) NOT NULL,
    flags JSONB NOT NULL,
    facts JSONB NOT NULL,
    tries INTEGER NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE,
    begun TIMESTAMP WITH TIME ZONE NOT NULL,
    ended TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (blob),
    CONSTRAINT vault_inspections_tries CHECK (tries >= 0),
    CONSTRAINT vault_inspections_leased CHECK ((state = 'waiting') = (leased_until IS NOT NULL)),
    CONSTRAINT vault_inspections_ended CHECK ((state = 'waiting') = (ended IS NULL)),
    FOREIGN KEY(blob) REFERENCES vault_blobs (id) ON DELETE CASCADE,
    CONSTRAINT vault_inspections_state CHECK (state IN ('waiting', 'passed', 'flagged', 'refused'))
);

CREATE INDEX vault_inspections_waiting ON vault_inspections (leased_until) WHERE state = 'waiting';

CREATE TABLE vault_derivatives (
    blob UUID NOT NULL,
    kind TEXT NOT NULL,
    derivative UUID NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    PRIMARY KEY (blob, kind),
    CONSTRAINT vault_derivatives_kind CHECK (kind ~ '^(thumbnail|screen|poster|page-[1-9]\d?)$'),
    CONSTRAINT vault_derivatives_sides CHECK (width > 0 AND height > 0),
    CONSTRAINT vault_derivatives_derivative CHECK (blob <> derivative),
    FOREIGN KEY(blob) REFERENCES vault_blobs (id) ON DELETE CASCADE,
    UNIQUE (derivative),
    FOREIGN KEY(derivative) REFERENCES vault_blobs (id) ON DELETE CASCADE
);

CREATE TABLE uploads (
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    blob_id UUID NOT NULL,
    filename TEXT NOT NULL CONSTRAINT filename_length CHECK (char_length(filename) <= 255),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    UNIQUE (blob_id),
    FOREIGN KEY(blob_id) REFERENCES vault_blobs (id)
);

CREATE INDEX uploads_by_account ON uploads (account_id, at);

CREATE TABLE memberships (
    account_id UUID NOT NULL,
    organisation_id UUID NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (account_id, organisation_id),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    FOREIGN KEY(organisation_id) REFERENCES organisations (id)
);

CREATE INDEX ix_memberships_organisation_id ON memberships (organisation_id);

CREATE TABLE neutrals (
    account_id UUID NOT NULL,
    kinds TEXT[] NOT NULL,
    languages TEXT[] NOT NULL,
    expertise TEXT[] NOT NULL,
    active BOOLEAN NOT NULL,
    cases_max INTEGER NOT NULL,
    PRIMARY KEY (account_id),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE TABLE sign_in_links (
    digest BYTEA NOT NULL,
    account_id UUID NOT NULL,
    expires TIMESTAMP WITH TIME ZONE NOT NULL,
    used TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (digest),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_sign_in_links_account_id ON sign_in_links (account_id);

CREATE TABLE sessions (
    digest BYTEA NOT NULL,
    account_id UUID NOT NULL,
    csrf VARCHAR(64) NOT NULL,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    expires TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (digest),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_sessions_account_id ON sessions (account_id);

CREATE TABLE tokens (
    id UUID NOT NULL,
    digest BYTEA NOT NULL,
    account_id UUID NOT NULL,
    organisation_id UUID,
    name VARCHAR(100) NOT NULL,
    scopes TEXT[] NOT NULL,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    expires TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (digest),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    FOREIGN KEY(organisation_id) REFERENCES organisations (id)
);

CREATE INDEX tokens_by_organisation ON tokens (organisation_id);

CREATE TABLE orders (
    id UUID NOT NULL,
    marketplace_id UUID NOT NULL,
    reference VARCHAR(100) NOT NULL,
    buyer_id UUID NOT NULL,
    seller_id UUID NOT NULL,
    currency VARCHAR(3) NOT NULL,
    total_minor BIGINT NOT NULL,
    freight_minor BIGINT NOT NULL,
    category VARCHAR(60) NOT NULL,
    language VARCHAR(8) NOT NULL,
    country VARCHAR(2) NOT NULL,
    zone VARCHAR(64) NOT NULL,
    placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    paid_at TIMESTAMP WITH TIME ZONE,
    promised_at TIMESTAMP WITH TIME ZONE,
    policy JSONB NOT NULL,
    policy_digest BYTEA NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (marketplace_id, reference),
    CONSTRAINT amounts CHECK (total_minor > 0 AND freight_minor >= 0),
    CONSTRAINT freight_within_total CHECK (freight_minor <= total_minor),
    FOREIGN KEY(marketplace_id) REFERENCES organisations (id),
    FOREIGN KEY(buyer_id) REFERENCES accounts (id),
    FOREIGN KEY(seller_id) REFERENCES organisations (id)
);

CREATE INDEX orders_by_buyer ON orders (buyer_id, placed_at);

CREATE INDEX orders_by_seller ON orders (seller_id, placed_at);

CREATE TABLE bonds (
    id UUID NOT NULL,
    marketplace_id UUID NOT NULL,
    seller_id UUID NOT NULL,
    currency VARCHAR(3) NOT NULL,
    floor_minor BIGINT NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (marketplace_id, seller_id, currency),
    CONSTRAINT floor CHECK (floor_minor >= 0),
    FOREIGN KEY(marketplace_id) REFERENCES organisations (id),
    FOREIGN KEY(seller_id) REFERENCES organisations (id)
);

CREATE TABLE covers (
    id UUID NOT NULL,
    insurer_id UUID NOT NULL,
    insured_id UUID NOT NULL,
    reference VARCHAR(100) NOT NULL,
    perils TEXT[] NOT NULL,
    currency VARCHAR(3) NOT NULL,
    claim_limit_minor BIGINT NOT NULL,
    aggregate_limit_minor BIGINT NOT NULL,
    deductible_minor BIGINT NOT NULL,
    starts DATE NOT NULL,
    ends DATE NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (insurer_id, reference),
    CONSTRAINT limits CHECK (claim_limit_minor > 0 AND aggregate_limit_minor >= claim_limit_minor AND deductible_minor >= 0),
    CONSTRAINT period CHECK (starts <= ends),
    FOREIGN KEY(insurer_id) REFERENCES organisations (id),
    FOREIGN KEY(insured_id) REFERENCES organisations (id)
);

CREATE INDEX ix_covers_insured_id ON covers (insured_id);

CREATE TABLE vault_receipts (
    stream UUID NOT NULL,
    seq BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (stream, seq),
    FOREIGN KEY(stream, seq) REFERENCES vault_entries (stream, seq),
    CONSTRAINT vault_receipts_note CHECK (octet_length(note) BETWEEN 1 AND 65536)
);

CREATE TABLE vault_leaves (
    origin TEXT NOT NULL,
    index BIGINT NOT NULL,
    stream UUID NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (origin, index),
    CONSTRAINT vault_leaves_entry UNIQUE (stream, seq),
    FOREIGN KEY(stream, seq) REFERENCES vault_entries (stream, seq),
    CONSTRAINT vault_leaves_index CHECK (index >= 0),
    FOREIGN KEY(origin) REFERENCES vault_logs (origin)
);

CREATE TABLE cases (
    id UUID NOT NULL,
    number VARCHAR(24) NOT NULL,
    order_id UUID NOT NULL,
    marketplace_id UUID NOT NULL,
    claimant_party VARCHAR(40) NOT NULL,
    state VARCHAR(40) NOT NULL,
    outcome VARCHAR(40),
    version INTEGER NOT NULL,
    rulebook VARCHAR(40) NOT NULL,
    rulebook_digest BYTEA NOT NULL,
    language VARCHAR(8) NOT NULL,
    country VARCHAR(2) NOT NULL,
    zone VARCHAR(64) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    reason VARCHAR(40) NOT NULL,
    claimed_minor BIGINT NOT NULL,
    terms JSONB,
    granted_minor BIGINT,
    filed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    acted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    stayed_at TIMESTAMP WITH TIME ZONE,
    record_stream UUID NOT NULL,
    mediation_stream UUID,
    claimant_stream UUID,
    respondent_stream UUID,
    record_root BYTEA,
    record_size INTEGER,
    PRIMARY KEY (id),
    CONSTRAINT closed CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT closed_with_outcome CHECK (state <> 'closed' OR outcome IS NOT NULL),
    CONSTRAINT frozen CHECK ((record_root IS NULL) = (record_size IS NULL)),
    UNIQUE (number),
    FOREIGN KEY(order_id) REFERENCES orders (id),
    FOREIGN KEY(marketplace_id) REFERENCES organisations (id),
    CONSTRAINT claimant_party CHECK (claimant_party IN ('buyer', 'seller')),
    CONSTRAINT case_state CHECK (state IN ('filed', 'negotiating', 'inadmissible', 'mediating', 'hearing', 'deliberating', 'deliberating_again', 'ruled', 'appealed', 'defaulted', 'performing', 'return_contested', 'completing', 'closed')),
    CONSTRAINT case_outcome CHECK (outcome IN ('settled', 'ruled', 'defaulted', 'withdrawn', 'dismissed', 'lapsed')),
    CONSTRAINT case_reason CHECK (reason IN ('change_of_mind', 'product_recall', 'not_received', 'late', 'not_as_described', 'defective', 'damaged_in_transit', 'wrong_item', 'missing_parts', 'counterfeit', 'charged_wrongly', 'refund_not_paid', 'return_refused', 'warranty_refused', 'customs_charge', 'virtual_not_delivered', 'virtual_not_working', 'service_not_provided', 'return_not_sent', 'return_altered'))
);

CREATE INDEX cases_by_marketplace ON cases (marketplace_id, filed_at);

CREATE INDEX cases_by_order ON cases (order_id);

CREATE UNIQUE INDEX one_open_case_for_an_order_and_party ON cases (order_id, claimant_party) WHERE state <> 'closed';

CREATE TABLE partial_uploads (
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    filename TEXT NOT NULL CONSTRAINT filename_length CHECK (char_length(filename) <= 255),
    media_type VARCHAR(100) NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA,
    told TEXT NOT NULL CONSTRAINT told_length CHECK (char_length(told) <= 4000),
    received BIGINT NOT NULL,
    pieces INTEGER NOT NULL,
    wrapped_key BYTEA,
    key_id VARCHAR NOT NULL,
    writer UUID,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finishing_until TIMESTAMP WITH TIME ZONE,
    upload_id UUID,
    refusal JSONB,
    cleared BOOLEAN NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT received CHECK (size > 0 AND received BETWEEN 0 AND size),
    CONSTRAINT cleared CHECK (NOT cleared OR wrapped_key IS NULL),
    CONSTRAINT whole CHECK (upload_id IS NULL OR received = size),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    FOREIGN KEY(upload_id) REFERENCES uploads (id) ON DELETE SET NULL
);

CREATE INDEX partial_uploads_by_account ON partial_uploads (account_id, expires_at);

CREATE INDEX partial_uploads_by_expiry ON partial_uploads (expires_at) WHERE NOT cleared;

CREATE INDEX partial_uploads_by_upload ON partial_uploads (upload_id);

CREATE TABLE order_lines (
    id UUID NOT NULL,
    order_id UUID NOT NULL,
    number INTEGER NOT NULL,
    title VARCHAR(300) NOT NULL,
    sku VARCHAR(100) NOT NULL,
    quantity INTEGER NOT NULL,
    unit_minor BIGINT NOT NULL,
    total_minor BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (order_id, number),
    CONSTRAINT amounts CHECK (quantity > 0 AND unit_minor >= 0),
    CONSTRAINT total CHECK (total_minor = quantity * unit_minor),
    FOREIGN KEY(order_id) REFERENCES orders (id)
);

CREATE TABLE payments (
    id UUID NOT NULL,
    order_id UUID NOT NULL,
    reference VARCHAR(100) NOT NULL,
    method VARCHAR(40) NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    paid_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (order_id, reference),
    CONSTRAINT amount CHECK (amount_minor > 0),
    FOREIGN KEY(order_id) REFERENCES orders (id)
);

CREATE TABLE shipments (
    id UUID NOT NULL,
    order_id UUID NOT NULL,
    direction VARCHAR(40) NOT NULL,
    carrier VARCHAR(60) NOT NULL,
    service VARCHAR(60) NOT NULL,
    tracking_number VARCHAR(60) NOT NULL,
    shipped_at TIMESTAMP WITH TIME ZONE,
    delivered_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (order_id, carrier, tracking_number),
    FOREIGN KEY(order_id) REFERENCES orders (id),
    CONSTRAINT direction CHECK (direction IN ('outbound', 'return', 'replacement'))
);

CREATE INDEX ix_shipments_order_id ON shipments (order_id);

CREATE TABLE order_covers (
    order_id UUID NOT NULL,
    cover_id UUID NOT NULL,
    PRIMARY KEY (order_id, cover_id),
    FOREIGN KEY(order_id) REFERENCES orders (id),
    FOREIGN KEY(cover_id) REFERENCES covers (id)
);

CREATE INDEX ix_order_covers_cover_id ON order_covers (cover_id);

CREATE TABLE information_requests (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    side VARCHAR(40) NOT NULL,
    account_id UUID NOT NULL,
    question TEXT NOT NULL CONSTRAINT question_length CHECK (char_length(question) <= 8000),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    due TIMESTAMP WITH TIME ZONE NOT NULL,
    answer TEXT CONSTRAINT answer_length CHECK (char_length(answer) <= 8000),
    answered_by UUID,
    answered_at TIMESTAMP WITH TIME ZONE,
    expired_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT asked CHECK (side IN ('claimant','respondent')),
    CONSTRAINT answered_whole CHECK (num_nonnulls(answer, answered_by, answered_at) IN (0, 3)),
    CONSTRAINT ended_once CHECK (num_nonnulls(answered_at, expired_at) < 2),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT information_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    FOREIGN KEY(answered_by) REFERENCES accounts (id)
);

CREATE INDEX information_requests_by_case ON information_requests (case_id);

CREATE TABLE seats (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    role VARCHAR(40) NOT NULL,
    account_id UUID,
    organisation_id UUID,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    consented BOOLEAN,
    rested_at TIMESTAMP WITH TIME ZONE,
    appeal_waived_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT holder CHECK (num_nonnulls(account_id, organisation_id) = 1),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT seat_role CHECK (role IN ('claimant', 'respondent', 'buyer', 'seller', 'mediator', 'arbitrator', 'administrator', 'insurer', 'third_party', 'clock', 'service')),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    FOREIGN KEY(organisation_id) REFERENCES organisations (id)
);

CREATE INDEX seats_by_account ON seats (account_id, case_id);

CREATE INDEX seats_by_case ON seats (case_id);

CREATE INDEX seats_by_organisation ON seats (organisation_id, case_id);

CREATE UNIQUE INDEX one_seat_of_a_role ON seats (case_id, role) WHERE until IS NULL AND role IN ('claimant','respondent');

CREATE TABLE claims (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    version INTEGER NOT NULL,
    reason VARCHAR(40) NOT NULL,
    statement TEXT NOT NULL CONSTRAINT statement_length CHECK (char_length(statement) <= 20000),
    terms JSONB NOT NULL,
    amount_minor BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (case_id, version),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT claim_reason CHECK (reason IN ('change_of_mind', 'product_recall', 'not_received', 'late', 'not_as_described', 'defective', 'damaged_in_transit', 'wrong_item', 'missing_parts', 'counterfeit', 'charged_wrongly', 'refund_not_paid', 'return_refused', 'warranty_refused', 'customs_charge', 'virtual_not_delivered', 'virtual_not_working', 'service_not_provided', 'return_not_sent', 'return_altered'))
);

CREATE TABLE answers (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    statement TEXT NOT NULL CONSTRAINT statement_length CHECK (char_length(statement) <= 20000),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (case_id),
    FOREIGN KEY(case_id) REFERENCES cases (id)
);

CREATE TABLE acts (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    act VARCHAR(40) NOT NULL,
    role VARCHAR(40) NOT NULL,
    side VARCHAR(40),
    account_id UUID,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    before VARCHAR(40),
    after VARCHAR(40) NOT NULL,
    channel VARCHAR(40) NOT NULL,
    stream_id UUID NOT NULL,
    sequence INTEGER NOT NULL,
    leaf BYTEA NOT NULL,
    facts JSONB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (stream_id, sequence),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT act CHECK (act IN ('file', 'acknowledge', 'accept_claim', 'contest', 'modify_claim', 'file_counterclaim', 'withdraw', 'note_silence', 'grant_by_default', 'decide_on_papers', 'request_set_aside', 'grant_set_aside', 'refuse_set_aside', 'let_default_stand', 'send_message', 'report_message', 'hide_message', 'submit_exhibit', 'answer_exhibit', 'release_exhibit', 'request_statement', 'give_statement', 'remind', 'make_offer', 'make_counter_offer', 'accept_offer', 'reject_offer', 'reject_counter_offer', 'revoke_offer', 'lapse_offer', 'place_bid', 'close_bid_round', 'settle_by_bids', 'request_intervention', 'end_negotiation', 'commit_draw', 'appoint_mediator', 'appoint_arbitrator', 'disclose', 'step_down', 'object_to_neutral', 'sustain_objection', 'overrule_objection', 'replace_neutral', 'send_caucus_message', 'propose_terms', 'accept_proposal', 'reject_proposal', 'settle_by_proposal', 'fail_proposal', 'close_evidence', 'close_answers', 'declare_impasse', 'request_arbitration', 'end_mediation', 'consent', 'decline_consent', 'request_information', 'answer_request', 'expire_request', 'rest', 'close_record', 'rule', 'replace_arbitrator', 'grant_without_recourse', 'request_correction', 'correct_ruling', 'waive_appeal', 'make_final', 'appeal', 'affirm_ruling', 'vary_ruling', 'set_aside_ruling', 'let_ruling_stand', 'give_return_address', 'use_platform_address', 'ship_return', 'lapse_return', 'record_delivery', 'record_loss', 'confirm_return', 'pass_inspection', 'pass_by_silence', 'contest_return', 'rule_on_return', 'settle_return', 'ship_replacement', 'confirm_replacement', 'accept_replacement', 'send_for_repair', 'report_repair', 'return_repaired', 'issue_coupon', 'change_validity', 'turn_into_refund', 'record_payment', 'raise_payout_alarm', 'object_to_settlement', 'end_performance', 'complete', 'close_overdue', 'request_extension', 'agree_to_extension', 'extend', 'stay', 'resume', 'end_stay', 'report_proceedings', 'close_for_proceedings', 'dismiss', 'overturn_dismissal', 'uphold_dismissal', 'let_dismissal_stand', 'request_review', 'rate')),
    CONSTRAINT act_role CHECK (role IN ('claimant', 'respondent', 'buyer', 'seller', 'mediator', 'arbitrator', 'administrator', 'insurer', 'third_party', 'clock', 'service')),
    CONSTRAINT act_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT act_before CHECK (before IN ('filed', 'negotiating', 'inadmissible', 'mediating', 'hearing', 'deliberating', 'deliberating_again', 'ruled', 'appealed', 'defaulted', 'performing', 'return_contested', 'completing', 'closed')),
    CONSTRAINT act_after CHECK (after IN ('filed', 'negotiating', 'inadmissible', 'mediating', 'hearing', 'deliberating', 'deliberating_again', 'ruled', 'appealed', 'defaulted', 'performing', 'return_contested', 'completing', 'closed')),
    CONSTRAINT act_channel CHECK (channel IN ('record', 'mediation', 'claimant_caucus', 'respondent_caucus'))
);

CREATE INDEX acts_by_case ON acts (case_id, at, id);

CREATE TABLE clocks (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    clock VARCHAR(40) NOT NULL,
    subject_id UUID NOT NULL,
    side VARCHAR(40),
    state VARCHAR(40) NOT NULL,
    starts TIMESTAMP WITH TIME ZONE NOT NULL,
    due TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    amount_minor BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT forward CHECK (starts <= due),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT clock CHECK (clock IN ('answer', 'negotiation', 'review', 'mediation', 'record', 'ruling', 'ruling_again', 'appeal', 'appeal_decision', 'set_aside', 'performance', 'return_ruling', 'completion', 'acknowledge', 'offer', 'bid_round', 'disclosure', 'evidence', 'evidence_answer', 'information', 'return_address', 'return_shipment', 'transit', 'inspection', 'replacement_shipment', 'replacement_confirmation', 'repair_to', 'repair', 'repair_back', 'coupon', 'payout', 'stay')),
    CONSTRAINT clock_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    CONSTRAINT clock_state CHECK (state IN ('running', 'stayed', 'stopped', 'fired'))
);

CREATE INDEX clocks_by_case ON clocks (case_id);

CREATE INDEX clocks_due ON clocks (due) WHERE state = 'running';

CREATE UNIQUE INDEX one_running_clock_for_a_subject ON clocks (case_id, clock, subject_id) WHERE state IN ('running','stayed');

CREATE TABLE notices (
    id UUID NOT NULL,
    case_id UUID,
    account_id UUID NOT NULL,
    kind VARCHAR(60) NOT NULL,
    facts JSONB NOT NULL,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    sent TIMESTAMP WITH TIME ZONE,
    read TIMESTAMP WITH TIME ZONE,
    proof VARCHAR(500),
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX ix_notices_case_id ON notices (case_id);

CREATE INDEX notices_by_account ON notices (account_id, created);

CREATE TABLE readings (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    account_id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    subject_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX readings_by_case ON readings (case_id, at);

CREATE TABLE offers (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    side VARCHAR(40) NOT NULL,
    counter BOOLEAN NOT NULL,
    channel VARCHAR(40) NOT NULL,
    terms JSONB NOT NULL,
    amount_minor BIGINT NOT NULL,
    message TEXT NOT NULL CONSTRAINT message_length CHECK (char_length(message) <= 4000),
    state VARCHAR(40) NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    valid_until TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT ended CHECK ((state = 'open') = (ended_at IS NULL)),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT offer_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    CONSTRAINT offer_channel CHECK (channel IN ('record', 'mediation', 'claimant_caucus', 'respondent_caucus')),
    CONSTRAINT offer_state CHECK (state IN ('open', 'accepted', 'rejected', 'revoked', 'lapsed', 'superseded'))
);

CREATE INDEX offers_by_case ON offers (case_id);

CREATE UNIQUE INDEX one_counter_offer_to_a_claim ON offers (case_id) WHERE counter;

CREATE TABLE bids (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    round INTEGER NOT NULL,
    side VARCHAR(40) NOT NULL,
    sealed BYTEA,
    state VARCHAR(40) NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    round_ends TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (case_id, round, side),
    CONSTRAINT destroyed CHECK ((state = 'sealed') = (sealed IS NOT NULL)),
    CONSTRAINT ended CHECK ((state = 'sealed') = (ended_at IS NULL)),
    CONSTRAINT one_length CHECK (octet_length(sealed) = 285),
    CONSTRAINT party CHECK (side IN ('claimant','respondent')),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT bid_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    CONSTRAINT bid_state CHECK (state IN ('sealed', 'met', 'destroyed'))
);

CREATE TABLE messages (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    channel VARCHAR(40) NOT NULL,
    side VARCHAR(40) NOT NULL,
    account_id UUID NOT NULL,
    body TEXT NOT NULL CONSTRAINT body_length CHECK (char_length(body) <= 8000),
    asks VARCHAR(40),
    code VARCHAR(10),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT joint CHECK (channel IN ('record','mediation')),
    CONSTRAINT challenge CHECK ((code IS NULL) = (asks IS NULL)),
    CONSTRAINT challenger CHECK (code IS NULL OR side = 'neutral'),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT message_channel CHECK (channel IN ('record', 'mediation', 'claimant_caucus', 'respondent_caucus')),
    CONSTRAINT message_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT message_asks CHECK (asks IN ('claimant', 'respondent', 'neutral'))
);

CREATE INDEX messages_by_case ON messages (case_id, at);

CREATE TABLE caucus_messages (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    with_side VARCHAR(40) NOT NULL,
    side VARCHAR(40) NOT NULL,
    account_id UUID NOT NULL,
    sealed BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT caucus_with CHECK (with_side IN ('claimant', 'respondent', 'neutral')),
    CONSTRAINT caucus_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX caucus_messages_by_case ON caucus_messages (case_id, at);

CREATE TABLE upload_pieces (
    partial_id UUID NOT NULL,
    start BIGINT NOT NULL,
    size INTEGER NOT NULL,
    store_key VARCHAR NOT NULL,
    store_version VARCHAR NOT NULL,
    PRIMARY KEY (partial_id, start),
    CONSTRAINT extent CHECK (start >= 0 AND size > 0),
    FOREIGN KEY(partial_id) REFERENCES partial_uploads (id) ON DELETE CASCADE
);

CREATE TABLE proposals (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    account_id UUID NOT NULL,
    terms JSONB NOT NULL,
    amount_minor BIGINT NOT NULL,
    reasons TEXT NOT NULL CONSTRAINT reasons_length CHECK (char_length(reasons) <= 8000),
    state VARCHAR(40) NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    claimant_accepts BOOLEAN,
    respondent_accepts BOOLEAN,
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT proposal_state CHECK (state IN ('open', 'accepted', 'failed'))
);

CREATE INDEX proposals_by_case ON proposals (case_id);

CREATE UNIQUE INDEX one_open_proposal ON proposals (case_id) WHERE state = 'open';

CREATE TABLE rulings (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    account_id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    reasons TEXT NOT NULL CONSTRAINT reasons_length CHECK (char_length(reasons) <= 50000),
    terms JSONB NOT NULL,
    amount_minor BIGINT NOT NULL,
    record_root BYTEA NOT NULL,
    correctable_until TIMESTAMP WITH TIME ZONE,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    final_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT ruling_kind CHECK (kind IN ('granted', 'granted_in_part', 'dismissed'))
);

CREATE INDEX rulings_by_case ON rulings (case_id);

CREATE TABLE legal_holds (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    reason TEXT NOT NULL CONSTRAINT reason_length CHECK (char_length(reason) <= 2000),
    until TIMESTAMP WITH TIME ZONE,
    placed_by UUID NOT NULL,
    placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lifted_by UUID,
    lifted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT until CHECK (until > placed_at),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(placed_by) REFERENCES accounts (id),
    FOREIGN KEY(lifted_by) REFERENCES accounts (id)
);

CREATE INDEX legal_holds_by_case ON legal_holds (case_id);

CREATE INDEX legal_holds_ending ON legal_holds (until) WHERE lifted_at IS NULL;

CREATE TABLE retentions (
    case_id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    due TIMESTAMP WITH TIME ZONE NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (case_id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT retention_class CHECK (kind IN ('insured', 'paid', 'unpaid'))
);

CREATE INDEX retentions_due ON retentions (due) WHERE done_at IS NULL;

CREATE TABLE obligations (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    number INTEGER NOT NULL,
    remedy VARCHAR(40) NOT NULL,
    debtor VARCHAR(40) NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    state VARCHAR(40) NOT NULL,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (case_id, number),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT obligation_remedy CHECK (remedy IN ('full_refund', 'partial_refund', 'refund_on_return', 'refund_without_return', 'replacement', 'repair', 'missing_parts', 'coupon', 'exchange', 'extension', 'compensation', 'release_to_seller')),
    CONSTRAINT obligation_debtor CHECK (debtor IN ('buyer', 'seller')),
    CONSTRAINT obligation_state CHECK (state IN ('due', 'done', 'lapsed'))
);

CREATE TABLE insurance_claims (
    id UUID NOT NULL,
    number VARCHAR(24) NOT NULL,
    cover_id UUID NOT NULL,
    insurer_id UUID NOT NULL,
    insured_id UUID NOT NULL,
    case_id UUID NOT NULL,
    order_id UUID NOT NULL,
    peril VARCHAR(40) NOT NULL,
    state VARCHAR(40) NOT NULL,
    version INTEGER NOT NULL,
    currency VARCHAR(3) NOT NULL,
    claimed_minor BIGINT NOT NULL,
    reserved_minor BIGINT NOT NULL,
    approved_minor BIGINT NOT NULL,
    paid_minor BIGINT NOT NULL,
    recovered_minor BIGINT NOT NULL,
    decided_by UUID,
    denial_reason VARCHAR(60),
    grounds TEXT,
    notified_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (cover_id, case_id, peril),
    CONSTRAINT claimed CHECK (claimed_minor > 0),
    CONSTRAINT approved_within_claimed CHECK (approved_minor <= claimed_minor),
    CONSTRAINT paid_within_approved CHECK (paid_minor <= approved_minor),
    CONSTRAINT denied_with_reason CHECK (state <> 'denied' OR denial_reason IS NOT NULL),
    UNIQUE (number),
    FOREIGN KEY(cover_id) REFERENCES covers (id),
    FOREIGN KEY(insurer_id) REFERENCES organisations (id),
    FOREIGN KEY(insured_id) REFERENCES organisations (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(order_id) REFERENCES orders (id),
    CONSTRAINT insurance_peril CHECK (peril IN ('loss', 'damage', 'delay', 'non_delivery', 'return_freight', 'seller_insolvency')),
    CONSTRAINT insurance_state CHECK (state IN ('notified', 'under_review', 'information_requested', 'approved', 'approved_in_part', 'denied', 'paid', 'closed')),
    FOREIGN KEY(decided_by) REFERENCES accounts (id)
);

CREATE INDEX insurance_claims_by_case ON insurance_claims (case_id);

CREATE INDEX settled_insurance_claims ON insurance_claims (insurer_id, settled_at, id) WHERE settled_at IS NOT NULL;

CREATE TABLE shipment_events (
    id UUID NOT NULL,
    shipment_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    code VARCHAR(40) NOT NULL,
    place VARCHAR(200) NOT NULL,
    description VARCHAR(500) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (shipment_id, at, code),
    FOREIGN KEY(shipment_id) REFERENCES shipments (id)
);

CREATE TABLE correction_requests (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    ruling_id UUID NOT NULL,
    side VARCHAR(40) NOT NULL,
    account_id UUID NOT NULL,
    body TEXT NOT NULL CONSTRAINT body_length CHECK (char_length(body) <= 8000),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(ruling_id) REFERENCES rulings (id),
    CONSTRAINT correction_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX correction_requests_by_case ON correction_requests (case_id);

CREATE TABLE corrections (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    ruling_id UUID NOT NULL,
    account_id UUID NOT NULL,
    body TEXT NOT NULL CONSTRAINT body_length CHECK (char_length(body) <= 8000),
    terms JSONB,
    amount_minor BIGINT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT terms_whole CHECK ((terms IS NULL) = (amount_minor IS NULL)),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(ruling_id) REFERENCES rulings (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX corrections_by_case ON corrections (case_id);

CREATE TABLE appeals (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    ruling_id UUID NOT NULL,
    side VARCHAR(40) NOT NULL,
    account_id UUID NOT NULL,
    ground VARCHAR(40) NOT NULL,
    statement TEXT NOT NULL CONSTRAINT statement_length CHECK (char_length(statement) <= 20000),
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    decision VARCHAR(40),
    reasons TEXT CONSTRAINT reasons_length CHECK (char_length(reasons) <= 50000),
    decided_by UUID,
    decided_at TIMESTAMP WITH TIME ZONE,
    decided_ruling_id UUID,
    PRIMARY KEY (id),
    CONSTRAINT decided_whole CHECK (num_nonnulls(decision, decided_by, decided_at) IN (0, 3)),
    CONSTRAINT affirmed CHECK ((decision = 'affirmed') = (reasons IS NOT NULL)),
    CONSTRAINT decided_anew CHECK ((decision IN ('varied','set_aside')) = (decided_ruling_id IS NOT NULL)),
    UNIQUE (case_id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(ruling_id) REFERENCES rulings (id),
    CONSTRAINT appeal_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    FOREIGN KEY(account_id) REFERENCES accounts (id),
    CONSTRAINT appeal_ground CHECK (ground IN ('new_evidence', 'procedural_defect')),
    CONSTRAINT appeal_decision CHECK (decision IN ('affirmed', 'varied', 'set_aside')),
    FOREIGN KEY(decided_by) REFERENCES accounts (id),
    FOREIGN KEY(decided_ruling_id) REFERENCES rulings (id)
);

CREATE TABLE appointments (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    seat_id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    neutral_id UUID NOT NULL,
    appointed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    disclosed_at TIMESTAMP WITH TIME ZONE,
    disclosure TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    end_reason VARCHAR(40),
    PRIMARY KEY (id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(seat_id) REFERENCES seats (id),
    CONSTRAINT appointment_kind CHECK (kind IN ('mediator', 'arbitrator')),
    FOREIGN KEY(neutral_id) REFERENCES neutrals (account_id)
);

CREATE INDEX appointments_by_case ON appointments (case_id);

CREATE INDEX appointments_by_neutral ON appointments (neutral_id);

CREATE TABLE exhibits (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    side VARCHAR(40) NOT NULL,
    number INTEGER NOT NULL,
    kind VARCHAR(40) NOT NULL,
    title TEXT NOT NULL CONSTRAINT title_length CHECK (char_length(title) <= 200),
    description TEXT NOT NULL CONSTRAINT description_length CHECK (char_length(description) <= 4000),
    channel VARCHAR(40) NOT NULL,
    blob_id UUID NOT NULL,
    filename TEXT NOT NULL CONSTRAINT filename_length CHECK (char_length(filename) <= 255),
    media_type VARCHAR(100) NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    voucher JSONB,
    challenge_id UUID,
    account_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    released_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (case_id, side, number),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    CONSTRAINT exhibit_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    CONSTRAINT exhibit_kind CHECK (kind IN ('waybill', 'tracking_record', 'proof_of_delivery', 'delivery_photo', 'customs_declaration', 'commercial_invoice', 'packing_list', 'certificate_of_origin', 'product_certificate', 'inspection_report', 'proof_of_purchase', 'listing_snapshot', 'product_photo', 'packaging_photo', 'unboxing_video', 'chat_log', 'warranty', 'repair_report', 'activation_log', 'return_label', 'return_inspection', 'statement', 'other')),
    CONSTRAINT exhibit_channel CHECK (channel IN ('record', 'mediation', 'claimant_caucus', 'respondent_caucus')),
    FOREIGN KEY(blob_id) REFERENCES vault_blobs (id),
    FOREIGN KEY(challenge_id) REFERENCES messages (id),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX exhibits_by_blob ON exhibits (blob_id);

CREATE INDEX exhibits_by_case ON exhibits (case_id, at);

CREATE INDEX exhibits_by_digest ON exhibits (sha256);

CREATE TABLE ruling_findings (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    ruling_id UUID NOT NULL,
    number INTEGER NOT NULL,
    issue TEXT NOT NULL CONSTRAINT issue_length CHECK (char_length(issue) <= 300),
    body TEXT NOT NULL CONSTRAINT body_length CHECK (char_length(body) <= 8000),
    PRIMARY KEY (id),
    UNIQUE (ruling_id, number),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(ruling_id) REFERENCES rulings (id)
);

CREATE TABLE payouts (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    obligation_id UUID,
    insurance_claim_id UUID,
    payee VARCHAR(100) NOT NULL,
    purpose VARCHAR(40) NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    rail VARCHAR(20) NOT NULL,
    reference VARCHAR(35) NOT NULL,
    rail_id VARCHAR(100),
    state VARCHAR(40) NOT NULL,
    tries INTEGER NOT NULL,
    again_of UUID,
    planned_by UUID,
    approved_by UUID,
    created TIMESTAMP WITH TIME ZONE NOT NULL,
    expected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    paid_at TIMESTAMP WITH TIME ZONE,
    asked_at TIMESTAMP WITH TIME ZONE,
    reason VARCHAR(200),
    PRIMARY KEY (id),
    CONSTRAINT amount CHECK (amount_minor > 0),
    UNIQUE (reference),
    UNIQUE (again_of),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(obligation_id) REFERENCES obligations (id),
    FOREIGN KEY(insurance_claim_id) REFERENCES insurance_claims (id),
    CONSTRAINT payout_state CHECK (state IN ('planned', 'held', 'awaiting_approval', 'submitting', 'submitted', 'paid', 'rejected', 'returned')),
    FOREIGN KEY(again_of) REFERENCES payouts (id),
    FOREIGN KEY(planned_by) REFERENCES accounts (id),
    FOREIGN KEY(approved_by) REFERENCES accounts (id)
);

CREATE INDEX ix_payouts_obligation_id ON payouts (obligation_id);

CREATE INDEX payouts_by_case ON payouts (case_id);

CREATE INDEX payouts_by_insurance_claim ON payouts (insurance_claim_id);

CREATE INDEX payouts_by_payee ON payouts (payee, created);

CREATE INDEX payouts_under_way ON payouts (rail, asked_at) WHERE state <> 'returned';

CREATE TABLE ruling_citations (
    finding_id UUID NOT NULL,
    exhibit_id UUID NOT NULL,
    case_id UUID NOT NULL,
    PRIMARY KEY (finding_id, exhibit_id),
    FOREIGN KEY(finding_id) REFERENCES ruling_findings (id),
    FOREIGN KEY(exhibit_id) REFERENCES exhibits (id),
    FOREIGN KEY(case_id) REFERENCES cases (id)
);

CREATE INDEX ix_ruling_citations_exhibit_id ON ruling_citations (exhibit_id);

CREATE TABLE ruling_unrelied (
    ruling_id UUID NOT NULL,
    exhibit_id UUID NOT NULL,
    case_id UUID NOT NULL,
    why TEXT NOT NULL CONSTRAINT why_length CHECK (char_length(why) <= 2000),
    PRIMARY KEY (ruling_id, exhibit_id),
    FOREIGN KEY(ruling_id) REFERENCES rulings (id),
    FOREIGN KEY(exhibit_id) REFERENCES exhibits (id),
    FOREIGN KEY(case_id) REFERENCES cases (id)
);

CREATE INDEX ix_ruling_unrelied_exhibit_id ON ruling_unrelied (exhibit_id);

CREATE TABLE examinations (
    exhibit_id UUID NOT NULL,
    case_id UUID NOT NULL,
    tracking JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (exhibit_id),
    FOREIGN KEY(exhibit_id) REFERENCES exhibits (id),
    FOREIGN KEY(case_id) REFERENCES cases (id)
);

CREATE INDEX ix_examinations_case_id ON examinations (case_id);

CREATE TABLE exhibit_findings (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    exhibit_id UUID NOT NULL,
    kind VARCHAR(40) NOT NULL,
    strength VARCHAR(40) NOT NULL,
    grounds JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (exhibit_id, kind),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(exhibit_id) REFERENCES exhibits (id),
    CONSTRAINT finding_kind CHECK (kind IN ('same_file_elsewhere', 'alike_elsewhere', 'taken_before_delivery', 'taken_after_shipment', 'taken_at_another_time', 'taken_after_given', 'time_fits', 'taken_elsewhere', 'place_fits', 'edited', 'screenshot', 'no_camera_data', 'credentials_hold', 'credentials_broken', 'credentials_absent', 'generated', 'number_fails', 'number_unknown', 'not_delivered', 'delivery_differs', 'shipment_differs', 'place_differs', 'recipient_differs', 'total_differs', 'currency_differs', 'order_differs', 'not_standard', 'answers_challenge', 'older_than_challenge')),
    CONSTRAINT finding_strength CHECK (strength IN ('slight', 'fair', 'strong'))
);

CREATE INDEX exhibit_findings_by_case ON exhibit_findings (case_id);

CREATE TABLE erasures (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    exhibit_id UUID NOT NULL,
    ground VARCHAR(40) NOT NULL,
    words BOOLEAN NOT NULL,
    reason TEXT NOT NULL CONSTRAINT reason_length CHECK (char_length(reason) <= 2000),
    state VARCHAR(40) NOT NULL,
    asked_by UUID,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by UUID,
    decided_at TIMESTAMP WITH TIME ZONE,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT second_person CHECK (asked_by IS DISTINCT FROM decided_by OR asked_by IS NULL OR state = 'declined'),
    CONSTRAINT done CHECK ((state = 'done') = (done_at IS NOT NULL)),
    CONSTRAINT decided CHECK ((state = 'asked') = (decided_at IS NULL)),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(exhibit_id) REFERENCES exhibits (id),
    CONSTRAINT erasure_ground CHECK (ground IN ('gdpr_17_1_a', 'gdpr_17_1_b', 'gdpr_17_1_c', 'gdpr_17_1_d', 'gdpr_17_1_e', 'gdpr_17_1_f', 'court_order', 'retention_over', 'unlawful_content')),
    CONSTRAINT erasure_state CHECK (state IN ('asked', 'granted', 'done', 'declined')),
    FOREIGN KEY(asked_by) REFERENCES accounts (id),
    FOREIGN KEY(decided_by) REFERENCES accounts (id)
);

CREATE INDEX erasures_asked ON erasures (asked_at) WHERE state = 'asked';

CREATE INDEX erasures_by_case ON erasures (case_id);

CREATE INDEX erasures_by_exhibit ON erasures (exhibit_id);

CREATE UNIQUE INDEX one_erasure_of_an_exhibit ON erasures (exhibit_id) WHERE state IN ('asked','granted');

CREATE TABLE rail_events (
    rail VARCHAR(20) NOT NULL,
    event_id VARCHAR(100) NOT NULL,
    payout_id UUID,
    reference VARCHAR(100) NOT NULL,
    kind VARCHAR(40) NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (rail, event_id),
    FOREIGN KEY(payout_id) REFERENCES payouts (id)
);

CREATE INDEX ix_rail_events_payout_id ON rail_events (payout_id);

CREATE TABLE exhibit_answers (
    id UUID NOT NULL,
    case_id UUID NOT NULL,
    exhibit_id UUID NOT NULL,
    finding_id UUID,
    side VARCHAR(40) NOT NULL,
    channel VARCHAR(40) NOT NULL,
    body TEXT NOT NULL CONSTRAINT body_length CHECK (char_length(body) <= 4000),
    account_id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    UNIQUE NULLS NOT DISTINCT (exhibit_id, side, finding_id),
    FOREIGN KEY(case_id) REFERENCES cases (id),
    FOREIGN KEY(exhibit_id) REFERENCES exhibits (id),
    FOREIGN KEY(finding_id) REFERENCES exhibit_findings (id),
    CONSTRAINT exhibit_answer_side CHECK (side IN ('claimant', 'respondent', 'neutral')),
    CONSTRAINT exhibit_answer_channel CHECK (channel IN ('record', 'mediation', 'claimant_caucus', 'respondent_caucus')),
    FOREIGN KEY(account_id) REFERENCES accounts (id)
);

CREATE INDEX answers_by_case ON exhibit_answers (case_id);

CREATE INDEX answers_by_finding ON exhibit_answers (finding_id) WHERE finding_id IS NOT NULL;

CREATE TABLE tombstones (
    stream_id UUID NOT NULL,
    sequence INTEGER NOT NULL,
    erasure_id UUID NOT NULL,
    PRIMARY KEY (stream_id, sequence),
    FOREIGN KEY(erasure_id) REFERENCES erasures (id)
);

CREATE INDEX tombstones_by_erasure ON tombstones (erasure_id);

GRANT SELECT, INSERT, UPDATE ON accounts TO concord_app;
GRANT SELECT, INSERT, UPDATE ON acts TO concord_app;
GRANT SELECT, INSERT, UPDATE ON answers TO concord_app;
GRANT SELECT, INSERT, UPDATE ON appeals TO concord_app;
GRANT SELECT, INSERT, UPDATE ON appointments TO concord_app;
GRANT SELECT, INSERT, UPDATE ON bids TO concord_app;
GRANT SELECT, INSERT, UPDATE ON bonds TO concord_app;
GRANT SELECT, INSERT, UPDATE ON cases TO concord_app;
GRANT SELECT, INSERT, UPDATE ON caucus_messages TO concord_app;
GRANT SELECT, INSERT, UPDATE ON claims TO concord_app;
GRANT SELECT, INSERT, UPDATE ON clocks TO concord_app;
GRANT SELECT, INSERT, UPDATE ON correction_requests TO concord_app;
GRANT SELECT, INSERT, UPDATE ON corrections TO concord_app;
GRANT SELECT, INSERT, UPDATE ON covers TO concord_app;
GRANT SELECT, INSERT, UPDATE ON erasures TO concord_app;
GRANT SELECT, INSERT, UPDATE ON examinations TO concord_app;
GRANT SELECT, INSERT, UPDATE ON exhibit_answers TO concord_app;
GRANT SELECT, INSERT, UPDATE ON exhibit_findings TO concord_app;
GRANT SELECT, INSERT, UPDATE ON exhibits TO concord_app;
GRANT SELECT, INSERT, UPDATE ON idempotency TO concord_app;
GRANT SELECT, INSERT, UPDATE ON information_requests TO concord_app;
GRANT SELECT, INSERT, UPDATE ON insurance_claims TO concord_app;
GRANT SELECT, INSERT, UPDATE ON legal_holds TO concord_app;
GRANT SELECT, INSERT, UPDATE ON memberships TO concord_app;
GRANT SELECT, INSERT, UPDATE ON messages TO concord_app;
GRANT SELECT, INSERT, UPDATE ON neutrals TO concord_app;
GRANT SELECT, INSERT, UPDATE ON notices TO concord_app;
GRANT SELECT, INSERT, UPDATE ON obligations TO concord_app;
GRANT SELECT, INSERT, UPDATE ON offers TO concord_app;
GRANT SELECT, INSERT, UPDATE ON order_covers TO concord_app;
GRANT SELECT, INSERT, UPDATE ON order_lines TO concord_app;
GRANT SELECT, INSERT, UPDATE ON orders TO concord_app;
GRANT SELECT, INSERT, UPDATE ON organisations TO concord_app;
GRANT SELECT, INSERT, UPDATE ON outbox TO concord_app;
GRANT SELECT, INSERT, UPDATE ON partial_uploads TO concord_app;
GRANT SELECT, INSERT, UPDATE ON payments TO concord_app;
GRANT SELECT, INSERT, UPDATE ON payouts TO concord_app;
GRANT SELECT, INSERT, UPDATE ON proposals TO concord_app;
GRANT SELECT, INSERT, UPDATE ON rail_events TO concord_app;
GRANT SELECT, INSERT, UPDATE ON readings TO concord_app;
GRANT SELECT, INSERT, UPDATE ON retentions TO concord_app;
GRANT SELECT, INSERT, UPDATE ON ruling_citations TO concord_app;
GRANT SELECT, INSERT, UPDATE ON ruling_findings TO concord_app;
GRANT SELECT, INSERT, UPDATE ON ruling_unrelied TO concord_app;
GRANT SELECT, INSERT, UPDATE ON rulings TO concord_app;
GRANT SELECT, INSERT, UPDATE ON seats TO concord_app;
GRANT SELECT, INSERT, UPDATE ON sessions TO concord_app;
GRANT SELECT, INSERT, UPDATE ON shipment_events TO concord_app;
GRANT SELECT, INSERT, UPDATE ON shipments TO concord_app;
GRANT SELECT, INSERT, UPDATE ON sign_in_links TO concord_app;
GRANT SELECT, INSERT, UPDATE ON sign_in_requests TO concord_app;
GRANT SELECT, INSERT, UPDATE ON tokens TO concord_app;
GRANT SELECT, INSERT, UPDATE ON tombstones TO concord_app;
GRANT SELECT, INSERT, UPDATE ON upload_pieces TO concord_app;
GRANT SELECT, INSERT, UPDATE ON uploads TO concord_app;

-- odr/ids.sql

-- Ids made by the database, as odr/ids.py makes them: a child carries its parent's month.

CREATE FUNCTION public.child_id(parent uuid) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    -- A random UUID (version 4) with the parent's first 16 bits and version 8 (RFC 9562, 5.8).
    SELECT overlay(
        overlay(random::text PLACING left(parent::text, 4) FROM 1) PLACING '8' FROM 15
    )::uuid
    FROM gen_random_uuid() AS random
$$;
GRANT EXECUTE ON FUNCTION public.child_id(uuid) TO concord_app;

-- evidence/models.sql

-- Triggers and grants of the vault's tables (evidence/models.py), run by a migration after them
-- as the owner, concord_owner. The service, concord_app, owns nothing and cannot drop them.

-- An entry never changes and never goes. One thing may happen to it: erasure, which sets salt
-- and body to NULL together (the tombstone entry that says so is the vault's duty).
CREATE FUNCTION vault_entries_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'vault_entries is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    IF ROW(NEW.stream, NEW.seq, NEW.prev, NEW.leaf, NEW.entry, NEW.time, NEW.recorded, NEW.blob)
       IS DISTINCT FROM
       ROW(OLD.stream, OLD.seq, OLD.prev, OLD.leaf, OLD.entry, OLD.time, OLD.recorded, OLD.blob)
       OR NEW.salt IS NOT NULL OR NEW.body IS NOT NULL
    THEN
        RAISE EXCEPTION 'an entry may only be erased' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER vault_entries_guard BEFORE UPDATE OR DELETE ON vault_entries
    FOR EACH ROW EXECUTE FUNCTION vault_entries_guard();
CREATE TRIGGER vault_entries_guard_all BEFORE TRUNCATE ON vault_entries
    FOR EACH STATEMENT EXECUTE FUNCTION vault_entries_guard();

-- A receipt is given once and stands.
CREATE FUNCTION vault_receipts_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'vault_receipts is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER vault_receipts_guard BEFORE UPDATE OR DELETE ON vault_receipts
    FOR EACH ROW EXECUTE FUNCTION vault_receipts_guard();
CREATE TRIGGER vault_receipts_guard_all BEFORE TRUNCATE ON vault_receipts
    FOR EACH STATEMENT EXECUTE FUNCTION vault_receipts_guard();

-- A stream only grows, and only by the entries that are appended to it.
CREATE FUNCTION vault_streams_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.size <= OLD.size THEN
        RAISE EXCEPTION 'a stream only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER vault_streams_guard BEFORE UPDATE OR DELETE ON vault_streams
    FOR EACH ROW EXECUTE FUNCTION vault_streams_guard();
CREATE TRIGGER vault_streams_guard_all BEFORE TRUNCATE ON vault_streams
    FOR EACH STATEMENT EXECUTE FUNCTION vault_streams_guard();

-- A log only grows: what has a place keeps it, what is published stays so, a sealed one is done.
CREATE FUNCTION vault_logs_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.sealed IS NOT NULL
       OR ROW(NEW.origin, NEW.previous) IS DISTINCT FROM ROW(OLD.origin, OLD.previous)
       OR NEW.assigned < OLD.assigned OR NEW.size < OLD.size
       OR (NEW.size = OLD.size AND (NEW.root <> OLD.root
           OR (OLD.checkpoint IS NOT NULL AND NEW.checkpoint IS NULL)))
    THEN
        RAISE EXCEPTION 'a log only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER vault_logs_guard BEFORE UPDATE OR DELETE ON vault_logs
    FOR EACH ROW EXECUTE FUNCTION vault_logs_guard();
CREATE TRIGGER vault_logs_guard_all BEFORE TRUNCATE ON vault_logs
    FOR EACH STATEMENT EXECUTE FUNCTION vault_logs_guard();

CREATE FUNCTION vault_leaves_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'vault_leaves is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER vault_leaves_guard BEFORE UPDATE OR DELETE ON vault_leaves
    FOR EACH ROW EXECUTE FUNCTION vault_leaves_guard();
CREATE TRIGGER vault_leaves_guard_all BEFORE TRUNCATE ON vault_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION vault_leaves_guard();

-- What witnesses and time-stamping authorities said stands as they said it.
CREATE FUNCTION vault_cosignatures_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'vault_cosignatures is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER vault_cosignatures_guard BEFORE UPDATE OR DELETE ON vault_cosignatures
    FOR EACH ROW EXECUTE FUNCTION vault_cosignatures_guard();
CREATE TRIGGER vault_cosignatures_guard_all BEFORE TRUNCATE ON vault_cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION vault_cosignatures_guard();

CREATE FUNCTION vault_timestamps_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'vault_timestamps is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER vault_timestamps_guard BEFORE UPDATE OR DELETE ON vault_timestamps
    FOR EACH ROW EXECUTE FUNCTION vault_timestamps_guard();
CREATE TRIGGER vault_timestamps_guard_all BEFORE TRUNCATE ON vault_timestamps
    FOR EACH STATEMENT EXECUTE FUNCTION vault_timestamps_guard();

-- Of a blob only its state moves (stored to accepted or refused), its retention grows, and its
-- key is wrapped anew or destroyed for good.
CREATE FUNCTION vault_blobs_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'refused' THEN
            RAISE EXCEPTION 'only a refused blob goes' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF ROW(NEW.id, NEW.sha256, NEW.sha512, NEW.size, NEW.media_type, NEW.cipher_sha256,
           NEW.cipher_size, NEW.store_key, NEW.store_version, NEW.created)
       IS DISTINCT FROM
       ROW(OLD.id, OLD.sha256, OLD.sha512, OLD.size, OLD.media_type, OLD.cipher_sha256,
           OLD.cipher_size, OLD.store_key, OLD.store_version, OLD.created)
       OR (NEW.state <> OLD.state AND OLD.state <> 'stored')
       OR (OLD.wrapped_key IS NULL AND NEW.wrapped_key IS NOT NULL)
       OR (OLD.retained_until IS NOT NULL
           AND (NEW.retained_until IS NULL OR NEW.retained_until < OLD.retained_until))
       OR (OLD.retained_at IS NOT NULL AND NEW.retained_at IS NULL
           AND NEW.retained_until = OLD.retained_until)
    THEN
        RAISE EXCEPTION 'a blob does not change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER vault_blobs_guard BEFORE UPDATE OR DELETE ON vault_blobs
    FOR EACH ROW EXECUTE FUNCTION vault_blobs_guard();

-- No key is wrapped under a key-encryption key that was retired: it may be destroyed already.
-- Every table that keeps wrapped keys has this trigger, whose table it ever is: by it
-- evidence/rewrapping.py finds them. Their columns are id (a uuid), wrapped_key and key_id.
CREATE FUNCTION vault_under_living_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.wrapped_key IS NOT NULL AND EXISTS (
        SELECT FROM vault_retired_keys k WHERE k.id = NEW.key_id)
    THEN
        RAISE EXCEPTION 'the key-encryption key was retired' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER vault_under_living_keys BEFORE INSERT OR UPDATE OF wrapped_key, key_id
    ON vault_blobs FOR EACH ROW EXECUTE FUNCTION vault_under_living_keys();
GRANT SELECT, INSERT ON vault_retired_keys TO concord_app;

-- A likeness stands as long as its picture can be read; erasure takes both.
CREATE FUNCTION vault_likenesses_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' OR EXISTS (
        SELECT FROM vault_blobs b WHERE b.id = OLD.blob AND b.wrapped_key IS NOT NULL)
    THEN
        RAISE EXCEPTION 'vault_likenesses is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER vault_likenesses_guard BEFORE UPDATE OR DELETE ON vault_likenesses
    FOR EACH ROW EXECUTE FUNCTION vault_likenesses_guard();
CREATE FUNCTION vault_likenesses_guard_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'vault_likenesses is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER vault_likenesses_guard_all BEFORE TRUNCATE ON vault_likenesses
    FOR EACH STATEMENT EXECUTE FUNCTION vault_likenesses_guard_all();
GRANT SELECT, DELETE, INSERT (blob, part, hash) ON vault_likenesses TO concord_app;
-- Look-ups read indexes alone where a page is known to be visible to all, which vacuum notes.
ALTER TABLE vault_likenesses SET (autovacuum_vacuum_insert_scale_factor = 0.02);

-- What was found in a file is said once: an inspection waits, and then it has ended.
CREATE FUNCTION vault_inspections_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What was found goes with the file: erasure takes the key first.
    IF NEW.flags = '[]' AND NEW.facts = '{}'
       AND ROW(NEW.blob, NEW.state, NEW.tries, NEW.leased_until, NEW.begun, NEW.ended)
           IS NOT DISTINCT FROM
           ROW(OLD.blob, OLD.state, OLD.tries, OLD.leased_until, OLD.begun, OLD.ended)
       AND NOT EXISTS (
        SELECT FROM vault_blobs b WHERE b.id = OLD.blob AND b.wrapped_key IS NOT NULL)
    THEN
        RETURN NEW;
    END IF;
    IF OLD.state <> 'waiting' OR NEW.blob <> OLD.blob OR NEW.begun <> OLD.begun THEN
        RAISE EXCEPTION 'an inspection that ended does not change'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER vault_inspections_guard BEFORE UPDATE ON vault_inspections
    FOR EACH ROW EXECUTE FUNCTION vault_inspections_guard();

-- Both go with their blob, by its foreign keys' cascade, and not by themselves.
GRANT SELECT, INSERT ON vault_inspections, vault_derivatives TO concord_app;
GRANT UPDATE (state, flags, facts, tries, leased_until, ended) ON vault_inspections
    TO concord_app;

GRANT SELECT, INSERT ON vault_streams, vault_entries, vault_receipts TO concord_app;
GRANT UPDATE (size, head) ON vault_streams TO concord_app;
GRANT SELECT, INSERT ON vault_logs, vault_leaves, vault_cosignatures, vault_timestamps
    TO concord_app;
GRANT UPDATE (assigned, size, root, checkpoint, published, sealed) ON vault_logs TO concord_app;
GRANT SELECT, INSERT, DELETE ON vault_unlogged TO concord_app;
GRANT UPDATE (salt, body) ON vault_entries TO concord_app;
GRANT SELECT, INSERT, DELETE ON vault_blobs TO concord_app;
GRANT UPDATE (state, wrapped_key, key_id, retained_until, retained_at) ON vault_blobs
    TO concord_app;

-- odr/ledger.sql

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

-- odr/policy.sql

-- The second wall: what the role concord_reader, by which viewers are shown things, can read.
--
-- The service acts as concord_app, which these policies let through; it shows as concord_reader,
-- which may only SELECT, and only the rows of rooms in which the viewer has a seat. The viewer is
-- set for each transaction: concord.account (uuid), concord.organisations (uuid[] as text) and
-- concord.operator ('on' or nothing). odr/policy.py says the same in Python; a test compares.

CREATE FUNCTION public.viewer_account() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT nullif(current_setting('concord.account', true), '')::uuid
$$;

CREATE FUNCTION public.viewer_organisations() RETURNS uuid[]
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(current_setting('concord.organisations', true), ''), '{}')::uuid[]
$$;

CREATE FUNCTION public.viewer_operator() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(current_setting('concord.operator', true), '') = 'on'
$$;

GRANT EXECUTE ON FUNCTION public.viewer_account(), public.viewer_organisations(),
    public.viewer_operator(), public.service_now() TO concord_reader;
GRANT SELECT ON public.service_clock TO concord_reader;  -- by which service_now() tells the time

-- What the ledger says may still be given back on an order, and be paid for losses around it: two
-- numbers, by which terms are bounded. The reader sees the ledger by nothing else.
CREATE FUNCTION public.order_left(of_order uuid) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY[
        coalesce(sum(b.credits_posted - b.debits_posted - b.debits_pending)
            FILTER (WHERE a.kind = 'entitlement'), 0),
        coalesce(sum(b.credits_posted - b.debits_posted - b.debits_pending)
            FILTER (WHERE a.kind = 'compensation_cap'), 0)
    ]::bigint[]
    FROM ledger.accounts a JOIN ledger.balances b ON b.account = a.id
    WHERE a.owner = of_order
$$;
REVOKE EXECUTE ON FUNCTION public.order_left(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.order_left(uuid) TO concord_app, concord_reader;

-- Each wall lets in whoever holds a seat in the room now, or whom the row itself names. The
-- service passes; nobody else has a policy. What is asked of the viewer stands in a SELECT of its
-- own, so that it is asked once a statement and not for every row.
CREATE FUNCTION pg_temp.wall(walled text, condition text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
    EXECUTE format('CREATE POLICY service ON %I TO concord_app USING (true)', walled);
    EXECUTE format(
        'CREATE POLICY viewer ON %I FOR SELECT TO concord_reader USING (%s)', walled, condition);
END $$;

-- Somebody holds a seat in the case of a row that lets them into the room.
CREATE FUNCTION pg_temp.seated(walled text, room text) RETURNS text
LANGUAGE sql AS $$
    SELECT format($condition$EXISTS (
        SELECT FROM seats s
        WHERE s.case_id = %1$I.case_id AND s.until IS NULL
          AND (s.account_id = (SELECT viewer_account())
               OR s.organisation_id = ANY ((SELECT viewer_organisations())::uuid[]))
          AND s.role = ANY (CASE %2$s
              WHEN 'record' THEN '{claimant,respondent,mediator,arbitrator,insurer}'::text[]
              WHEN 'talk' THEN '{claimant,respondent,mediator,arbitrator}'
              WHEN 'mediation' THEN '{claimant,respondent,mediator}'
              WHEN 'claimant_caucus' THEN '{claimant,mediator}'
              WHEN 'respondent_caucus' THEN '{respondent,mediator}'
          END)
    )$condition$, walled, room)
$$;

-- Everything that is said in a room is read in that room; the operator reads the record only.
SELECT pg_temp.wall(said, $$channel = 'record' AND (SELECT viewer_operator()) OR $$
    || pg_temp.seated(said, 'channel'))
FROM unnest(ARRAY['acts', 'offers', 'exhibits', 'exhibit_answers']) AS said;

-- An insurer reads the record, but not the talk in it.
SELECT pg_temp.wall('messages', $$channel = 'record' AND (SELECT viewer_operator()) OR $$
    || pg_temp.seated('messages', $$CASE channel WHEN 'record' THEN 'talk' ELSE channel END$$));

-- That somebody bid is in the record; what they bid is read by nobody (the column is not granted).
SELECT pg_temp.wall('bids', $$(SELECT viewer_operator()) OR $$
    || pg_temp.seated('bids', $$'record'$$));

SELECT pg_temp.wall('proposals', pg_temp.seated('proposals', $$'mediation'$$));
SELECT pg_temp.wall(
    'caucus_messages', pg_temp.seated('caucus_messages', $$with_side || '_caucus'$$));

SELECT pg_temp.wall('insurance_claims', $$(SELECT viewer_operator())
    OR insurer_id = ANY ((SELECT viewer_organisations())::uuid[])
    OR insured_id = ANY ((SELECT viewer_organisations())::uuid[])$$);
SELECT pg_temp.wall(one_s_own, $$account_id = (SELECT viewer_account())$$)
FROM unnest(ARRAY['notices', 'uploads']) AS one_s_own;
SELECT pg_temp.wall('tokens', $$organisation_id = ANY ((SELECT viewer_organisations())::uuid[])$$);

-- What was found about an exhibit is read by whoever reads the exhibit.
SELECT pg_temp.wall(computed, format(
    'EXISTS (SELECT FROM exhibits e WHERE e.id = %I.exhibit_id)', computed))
FROM unnest(ARRAY['examinations', 'exhibit_findings']) AS computed;

-- What is asked for is the operator's; what was erased is known to whoever saw it.
SELECT pg_temp.wall('erasures', $$(SELECT viewer_operator()) OR state IN ('granted', 'done')
    AND EXISTS (SELECT FROM exhibits e WHERE e.id = erasures.exhibit_id)$$);
SELECT pg_temp.wall('legal_holds', $$(SELECT viewer_operator()) OR $$
    || pg_temp.seated('legal_holds', $$'record'$$));

-- A receipt, or the length of a stream, would betray what was said behind a wall.
SELECT pg_temp.wall('vault_receipts', $$EXISTS (
    SELECT FROM acts a WHERE a.stream_id = vault_receipts.stream AND a.sequence = vault_receipts.seq
)$$);
SELECT pg_temp.wall('vault_streams', $$EXISTS (
    SELECT FROM acts a WHERE a.stream_id = vault_streams.id
)$$);

-- What was found in a file is for whoever sees the exhibit that it is, or gave it.
SELECT pg_temp.wall(of_a_file, format($condition$EXISTS (
    SELECT FROM exhibits e WHERE e.blob_id = %1$I.blob
) OR EXISTS (
    SELECT FROM uploads u WHERE u.blob_id = %1$I.blob
)$condition$, of_a_file))
FROM unnest(ARRAY['vault_inspections', 'vault_derivatives']) AS of_a_file;

DROP FUNCTION pg_temp.wall, pg_temp.seated;

GRANT SELECT ON
    organisations, accounts, memberships, neutrals,
    orders, order_lines, payments, shipments, shipment_events, bonds, covers, order_covers,
    cases, seats, appointments, claims, answers, acts, clocks, notices, readings,
    offers, messages, caucus_messages, uploads, exhibits, exhibit_answers, proposals,
    examinations, exhibit_findings,
    appeals, information_requests, correction_requests, corrections,
    rulings, ruling_findings, ruling_citations, ruling_unrelied,
    obligations, payouts, insurance_claims, vault_receipts, vault_streams,
    vault_inspections, vault_derivatives, erasures, legal_holds
TO concord_reader;
GRANT SELECT (id, account_id, organisation_id, name, scopes, created, expires, revoked)
    ON tokens TO concord_reader;
GRANT SELECT (id, case_id, round, side, state, at, round_ends, ended_at) ON bids TO concord_reader;

-- The record's index only grows, like the record itself.
CREATE FUNCTION public.acts_only_grow() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'acts only grow' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER acts_only_grow BEFORE UPDATE OR DELETE ON acts
    FOR EACH ROW EXECUTE FUNCTION public.acts_only_grow();
CREATE TRIGGER acts_never_emptied BEFORE TRUNCATE ON acts
    FOR EACH STATEMENT EXECUTE FUNCTION public.acts_only_grow();
ALTER TABLE acts ENABLE ALWAYS TRIGGER acts_only_grow;
ALTER TABLE acts ENABLE ALWAYS TRIGGER acts_never_emptied;

-- What was found stands, and so do the answers to it; its grounds go with the file.
CREATE FUNCTION public.findings_only_grow() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.grounds = '[]' AND to_jsonb(NEW) - 'grounds' = to_jsonb(OLD) - 'grounds'
           AND NOT EXISTS (
            SELECT FROM public.exhibits e JOIN public.vault_blobs b ON b.id = e.blob_id
            WHERE e.id = OLD.exhibit_id AND b.wrapped_key IS NOT NULL)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'findings only grow' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER findings_only_grow BEFORE UPDATE OR DELETE ON exhibit_findings
    FOR EACH ROW EXECUTE FUNCTION public.findings_only_grow();
CREATE TRIGGER findings_never_emptied BEFORE TRUNCATE ON exhibit_findings
    FOR EACH STATEMENT EXECUTE FUNCTION public.findings_only_grow();

-- Files under way have keys as well; so rotations know of them (evidence/rewrapping.py).
CREATE TRIGGER vault_under_living_keys BEFORE INSERT OR UPDATE OF wrapped_key, key_id
    ON partial_uploads FOR EACH ROW EXECUTE FUNCTION public.vault_under_living_keys();

-- What has had its time goes: links, sessions, what was counted, files that nobody used.
GRANT DELETE ON sign_in_requests, sign_in_links, sessions, memberships, uploads, partial_uploads,
    upload_pieces TO concord_app;
