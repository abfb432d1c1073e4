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

-- The rooms that a viewer's seats open in a case: every channel that one of them can read.
CREATE FUNCTION public.viewer_rooms(case_id uuid) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT room), '{}')
    FROM seats s
    JOIN (VALUES
        ('claimant', 'record'), ('claimant', 'mediation'), ('claimant', 'claimant_caucus'),
        ('respondent', 'record'), ('respondent', 'mediation'),
        ('respondent', 'respondent_caucus'),
        ('mediator', 'record'), ('mediator', 'mediation'), ('mediator', 'claimant_caucus'),
        ('mediator', 'respondent_caucus'),
        ('arbitrator', 'record'), ('insurer', 'record')
    ) AS rooms(role, room) ON rooms.role = s.role
    WHERE s.case_id = viewer_rooms.case_id AND s.until IS NULL
      AND (s.account_id = viewer_account() OR s.organisation_id = ANY (viewer_organisations()))
$$;

GRANT EXECUTE ON FUNCTION public.viewer_account(), public.viewer_organisations(),
    public.viewer_operator(), public.viewer_rooms(uuid), public.service_now() TO concord_reader;

-- Everything that is said in a room is read in that room; the operator reads the record only.
DO $$
DECLARE
    said text;
BEGIN
    FOREACH said IN ARRAY ARRAY['acts', 'offers', 'messages', 'exhibits', 'exhibit_answers'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', said);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', said);
        EXECUTE format('CREATE POLICY service ON %I TO concord_app USING (true)', said);
        EXECUTE format(
            'CREATE POLICY viewer ON %I FOR SELECT TO concord_reader USING ('
            ' channel = ANY (viewer_rooms(case_id))'
            ' OR (channel = ''record'' AND (SELECT viewer_operator())))', said);
    END LOOP;
END $$;

-- An insurer reads the record, but not the talk in it.
CREATE POLICY talk ON messages AS RESTRICTIVE FOR SELECT TO concord_reader USING (
    EXISTS (
        SELECT FROM seats s
        WHERE s.case_id = messages.case_id AND s.until IS NULL AND s.role <> 'insurer'
          AND (s.account_id = (SELECT viewer_account())
               OR s.organisation_id = ANY ((SELECT viewer_organisations())::uuid[]))
    ) OR (SELECT viewer_operator())
);

ALTER TABLE proposals ENABLE ROW LEVEL SECURITY;
ALTER TABLE proposals FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON proposals TO concord_app USING (true);
CREATE POLICY viewer ON proposals FOR SELECT TO concord_reader
    USING ('mediation' = ANY (viewer_rooms(case_id)));

ALTER TABLE caucus_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE caucus_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON caucus_messages TO concord_app USING (true);
CREATE POLICY viewer ON caucus_messages FOR SELECT TO concord_reader
    USING ((with_side || '_caucus') = ANY (viewer_rooms(case_id)));

ALTER TABLE insurance_claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE insurance_claims FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON insurance_claims TO concord_app USING (true);
CREATE POLICY viewer ON insurance_claims FOR SELECT TO concord_reader USING (
    insurer_id = ANY ((SELECT viewer_organisations())::uuid[])
    OR insured_id = ANY ((SELECT viewer_organisations())::uuid[])
    OR (SELECT viewer_operator())
);

ALTER TABLE notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE notices FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON notices TO concord_app USING (true);
CREATE POLICY viewer ON notices FOR SELECT TO concord_reader
    USING (account_id = (SELECT viewer_account()));

GRANT SELECT ON
    organisations, accounts, memberships, neutrals, tokens,
    orders, order_lines, payments, shipments, shipment_events, bonds, covers, order_covers,
    cases, seats, appointments, claims, answers, acts, clocks, notices, readings,
    offers, messages, caucus_messages, uploads, exhibits, exhibit_answers, proposals,
    rulings, ruling_findings, ruling_citations, ruling_unrelied,
    obligations, payouts, insurance_claims, vault_receipts, vault_streams
TO concord_reader;

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

-- What has had its time goes: links, sessions, what was counted, files that nobody used.
GRANT DELETE ON sign_in_requests, sign_in_links, sessions, memberships, uploads TO concord_app;
