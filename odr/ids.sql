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
