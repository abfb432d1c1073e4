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
