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
