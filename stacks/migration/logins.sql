-- Who may log in, and as what. No login has a password: on RDS they show an IAM token (rds_iam), which lives 15 minutes.
-- What the roles may do is the schema's to say; a schema without one of them leaves it powerless.
DO $$
DECLARE
    login record;
BEGIN
    FOR login IN
        SELECT * FROM (VALUES ('rewards_services', 'rewards_app'), ('rewards_sealing', 'rewards_sealer')) AS of (name, role)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login.role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', login.role);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login.name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', login.name);
        END IF;
        EXECUTE format('GRANT %I TO %I', login.role, login.name);
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
            EXECUTE format('GRANT rds_iam TO %I', login.name);
        END IF;
    END LOOP;
END $$;
