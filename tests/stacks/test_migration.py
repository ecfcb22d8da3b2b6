"""Test of the migration's steps as the Kubernetes Job runs them, on real PostgreSQL, with moto as Secrets Manager."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from psycopg import OperationalError
from psycopg.errors import InsufficientPrivilege, InvalidGrantOperation
from psycopg.sql import SQL, Composed, Identifier

from app.errors import BadInput, Conflict
from app.hosting import service
from app.local import postgres
from app.logins import LOGINS
from app.migrations import rights
from app.signing import Signer
from cloud import migration

SCRIPTS = Path(migration.__file__).parent.parent.parent / "stacks" / "migration"


PASSWORD = r"a:b\c"


@pytest.fixture
def rds(tmp_path: Path) -> Iterator[postgres.Server]:
    """Yield a new PostgreSQL server: roles are per server, and the schema's roles must not exist before the test."""
    with postgres.start(tmp_path / "postgres", durable=False) as running:
        with psycopg.connect(running.url("postgres"), autocommit=True) as superuser:
            for statement in AS_ON_RDS:
                superuser.execute(statement)
        yield running


@pytest.fixture
def environment(rds: postgres.Server, tmp_path: Path) -> Iterator[dict[str, str]]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PGPASSFILE": str(tmp_path / "pgpass"),
        "DATABASE_URL": admins(rds.url()),
    }
    secrets = manager(variables)
    secret = json.dumps({"username": "rewards_admin", "password": PASSWORD})
    variables["ADMIN_SECRET_ARN"] = secrets.create_secret(Name="admin", SecretString=secret)["ARN"]
    variables["SIGNING_SECRET_ARN"] = secrets.create_secret(Name="vendor-tokens")["ARN"]
    yield variables
    urlopen(Request(f"{variables['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST"))  # noqa: S310  moto
    moto.stop()


# RDS's master user is no superuser; rds_iam is there, and it may give it away.
AS_ON_RDS = (
    "CREATE ROLE rewards_admin LOGIN CREATEDB CREATEROLE PASSWORD 'a:b\\c'",
    "CREATE ROLE rds_iam NOLOGIN",
    "GRANT rds_iam TO rewards_admin WITH ADMIN OPTION",
    "CREATE DATABASE rewards OWNER rewards_admin",
)


def admins(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=f"rewards_admin@127.0.0.1:{urlsplit(url).port}"))


def manager(variables: dict[str, str]) -> Any:
    return boto3.client(
        "secretsmanager",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
    )


def signing_key(variables: dict[str, str]) -> str:
    value: str = json.loads(
        manager(variables).get_secret_value(SecretId=variables["SIGNING_SECRET_ARN"])["SecretString"]
    )["private_key"]
    return value


def step(environment: dict[str, str], *command: str) -> None:
    subprocess.run([sys.executable, *command], env={**os.environ, **environment}, check=True)


def migrated(environment: dict[str, str]) -> None:
    step(environment, str(SCRIPTS / "prepare.py"))
    step(environment, *migration._SCHEMA)
    step(environment, str(SCRIPTS / "logins.py"))


@pytest.mark.slow
def test_the_steps_make_schema_logins_and_signing_key_and_may_run_again(
    rds: postgres.Server, environment: dict[str, str], tmp_path: Path
) -> None:
    keys: set[str] = set()
    for _ in range(2):
        migrated(environment)
        keys.add(signing_key(environment))
    (key,) = keys
    (tmp_path / "key.pem").write_text(key)
    assert Signer.read(tmp_path / "key.pem", "rewards").jwks()["keys"]
    passwords = Path(environment["PGPASSFILE"])
    assert passwords.read_text() == "*:*:*:*:a\\:b\\\\c\n"
    assert passwords.stat().st_mode & 0o777 == 0o600
    with psycopg.connect(rds.url()) as admin:
        assert admin.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        assert rights.granted(admin) == rights.declared(admin)
        memberships = admin.execute(
            """SELECT m.rolname, array_agg(r.rolname ORDER BY r.rolname)
               FROM pg_auth_members JOIN pg_roles m ON m.oid = member JOIN pg_roles r ON r.oid = roleid
               WHERE m.rolcanlogin AND m.rolname <> 'rewards_admin' AND NOT m.rolsuper GROUP BY 1"""
        ).fetchall()
        assert dict(memberships) == {login: sorted([role, "rds_iam"]) for login, role in LOGINS.items()}


@dataclass(frozen=True)
class NoCluster:
    """A fake of `Namespaces` that only keeps the names."""

    names: set[str] = field(default_factory=set)

    def make(self, name: str) -> None:
        self.names.add(name)

    def drop(self, name: str) -> None:
        self.names.discard(name)


@dataclass(frozen=True)
class Host:
    """The migrated PostgreSQL server of an environment that hosts previews, with the hosting function's admin login."""

    server: postgres.Server
    environment: dict[str, str]
    namespaces: Any = field(default_factory=NoCluster)

    def do(self, action: Callable[[Any, Any, str], None], preview: str) -> None:
        url = self.environment["DATABASE_URL"]
        with psycopg.connect(url, password=PASSWORD, autocommit=True) as admin:
            action(admin, self.namespaces, preview)

    def login(self, name: str, database: str) -> str:
        """Return a login's database URL, with a password in place of an IAM token."""
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as superuser:
            superuser.execute(SQL("ALTER ROLE {} PASSWORD 'token'").format(Identifier(name)))
        parts = urlsplit(self.server.url(database))
        return urlunsplit(parts._replace(netloc=f"{name}:token@127.0.0.1:{parts.port}"))

    def names(self, sql: LiteralString) -> set[str]:
        with psycopg.connect(self.server.url("postgres")) as superuser:
            return {name for (name,) in superuser.execute(sql).fetchall()}


DATABASES: LiteralString = "SELECT datname FROM pg_database"
LOGINS_THERE: LiteralString = "SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%'"
TABLES: LiteralString = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
"""


@pytest.fixture
def host(rds: postgres.Server, environment: dict[str, str]) -> Host:
    migrated(environment)
    return Host(rds, environment)


def as_preview(host: Host, preview: str) -> dict[str, str]:
    """Return the environment variables of a preview's migration Job, with a password in place of an IAM token."""
    own = {**host.environment, "DATABASE_URL": host.login(preview, preview)}
    del own["ADMIN_SECRET_ARN"]
    own["SIGNING_SECRET_ARN"] = manager(own).create_secret(Name=f"rewards-{preview}-tokens")["ARN"]
    return own


@pytest.mark.slow
def test_a_preview_migrates_as_its_databases_owner_and_reaches_nothing_of_the_hosts(host: Host) -> None:
    before = host.names(DATABASES), host.names(LOGINS_THERE)
    for preview in ("pr-1", "pr-2"):
        host.do(service.begin, preview)
        host.do(service.begin, preview)
    assert host.namespaces.names == {"pr-1", "pr-2"}
    own = as_preview(host, "pr_1")
    step(own, str(SCRIPTS / "prepare.py"))
    assert "X-Amz-Signature=" in Path(own["PGPASSFILE"]).read_text()
    Path(own["PGPASSFILE"]).write_text("*:*:*:*:token\n")
    step(own, *migration._SCHEMA)
    with psycopg.connect(own["DATABASE_URL"], autocommit=True) as owner:
        tables = {name for (name,) in owner.execute(TABLES).fetchall()}
        for statement in (
            "CREATE ROLE another",
            "CREATE DATABASE another",
            "ALTER ROLE rewards_services PASSWORD 'mine'",
            "GRANT rewards_owner TO rewards_services",
            "GRANT rds_iam TO rewards_services",
            "SET ROLE rewards_services",
            "SET ROLE rewards_admin",
            "GRANT CONNECT ON DATABASE rewards TO pr_1",
            "DROP DATABASE pr_2",
        ):
            with pytest.raises((InsufficientPrivilege, InvalidGrantOperation)):
                owner.execute(statement.encode())
    with psycopg.connect(host.server.url()) as theirs:
        assert tables == {name for (name,) in theirs.execute(TABLES).fetchall()}
    for database in ("rewards", "pr_2"):
        for table in tables:
            with pytest.raises(OperationalError, match="permission denied for database"):
                psycopg.connect(host.login("pr_1", database)).execute(SQL("TABLE {}").format(Identifier(table)))
    for login in LOGINS:  # nor do the host's processes see the preview's
        psycopg.connect(host.login(login, "rewards")).close()
        with pytest.raises(OperationalError, match="permission denied for database"):
            psycopg.connect(host.login(login, "pr_1"))
    with psycopg.connect(own["DATABASE_URL"]):  # a process that is still connected keeps nothing there
        for preview in ("pr-1", "pr-2", "pr-3"):
            host.do(service.end, preview)
    assert (host.names(DATABASES), host.names(LOGINS_THERE)) == before
    assert not host.namespaces.names


@pytest.mark.slow
def test_a_host_whose_database_admits_everyone_makes_no_preview(host: Host) -> None:
    with psycopg.connect(host.server.url("postgres"), autocommit=True) as superuser:
        superuser.execute("GRANT CONNECT ON DATABASE rewards TO PUBLIC")
    with pytest.raises(Conflict, match="pr_1 could connect to rewards"):
        host.do(service.begin, "pr-1")
    assert "pr_1" not in host.names(DATABASES) | host.names(LOGINS_THERE)


@pytest.mark.slow
def test_a_preview_is_made_and_kept_whoever_may_connect_to_others(host: Host) -> None:
    with psycopg.connect(host.server.url("postgres"), autocommit=True) as superuser:
        superuser.execute("CREATE DATABASE pr_2")  # as another call leaves it before it revokes PUBLIC's rights
    host.do(service.begin, "pr-1")
    with psycopg.connect(host.login("pr_1", "pr_1"), autocommit=True) as owner:
        owner.execute("CREATE TABLE kept ()")
        owner.execute("GRANT CONNECT ON DATABASE pr_1 TO PUBLIC")
    host.do(service.begin, "pr-3")
    with psycopg.connect(host.server.url("postgres"), autocommit=True) as superuser:
        superuser.execute("GRANT CONNECT ON DATABASE rewards TO PUBLIC")
    with pytest.raises(Conflict, match="pr_1 could connect to rewards"):
        host.do(service.begin, "pr-1")
    with psycopg.connect(host.login("pr_1", "pr_1")) as owner:
        owner.execute("TABLE kept")


@pytest.mark.slow
def test_nobody_can_connect_to_a_previews_database_before_it_is_closed(host: Host) -> None:
    """The first call is killed between CREATE DATABASE and REVOKE; the second call completes the work."""

    class Killed(psycopg.Connection[Any]):
        def execute(self, query: Any, *parameters: Any, **more: Any) -> Any:
            if isinstance(query, Composed) and "REVOKE" in query.as_string(self):
                raise KeyboardInterrupt
            return super().execute(query, *parameters, **more)

    url = host.environment["DATABASE_URL"]
    with Killed.connect(url, password=PASSWORD, autocommit=True) as admin, pytest.raises(KeyboardInterrupt):
        service.begin(admin, host.namespaces, "pr-1")
    with pytest.raises(OperationalError, match="not currently accepting connections"):
        psycopg.connect(host.login(next(iter(LOGINS)), "pr_1"))
    host.do(service.begin, "pr-1")
    psycopg.connect(host.login("pr_1", "pr_1")).close()
    with pytest.raises(OperationalError, match="permission denied for database"):
        psycopg.connect(host.login(next(iter(LOGINS)), "pr_1"))


@pytest.mark.parametrize("name", ["rewards", "pr-0", "pr-1; DROP", "pr_1", "PR-1", "", "pr-1234567890"])
def test_what_is_no_previews_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        service.database_of(name)
