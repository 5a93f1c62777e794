-- `doctor` tells with the service's own role which migrations are missing.
DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(datdba) || '_app' FROM pg_database WHERE datname = current_database());
BEGIN
    EXECUTE format('GRANT SELECT ON _sqlx_migrations TO %I', app);
END $$;
