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
