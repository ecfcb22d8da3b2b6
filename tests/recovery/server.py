"""A PostgreSQL server that archives its write-ahead log, and restores of its base backup to a moment."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg

from app.local import postgres
from app.local.account import Account, server_account

_ARCHIVING = """
wal_level = replica
archive_mode = on
archive_command = 'cp %p {wal}/.%f && mv {wal}/.%f {wal}/%f'
archive_timeout = {timeout_s}
track_commit_timestamp = on
"""
# Without hot standby the server is ready once it takes writes, not while it still replays the log.
_RECOVERING = """
archive_mode = off
hot_standby = off
restore_command = 'cp {wal}/%f %p'
recovery_target_action = promote
"""
_ARCHIVED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Moment:
    """A commit's time; the restored database has the commit itself only if the moment is `inclusive`."""

    at: datetime
    inclusive: bool = True


@dataclass
class Archived:
    """A server whose write-ahead log is archived in `place`, a folder that the server's account owns."""

    place: Path
    account: Account | None
    server: postgres.Server
    durable: bool
    _folders: list[Path] = field(default_factory=list)

    @property
    def wal(self) -> Path:
        return self.place / "wal"

    def back_up(self) -> None:
        """Take the base backup, which needs the archive's log to be restored."""
        at = self.server.postgres
        command = [
            str(at.programs / "bin" / "pg_basebackup"),
            "--pgdata",
            str(self.place / "base"),
            "--wal-method=none",
        ]
        command += ["--checkpoint=fast", "--host=127.0.0.1", f"--port={at.port}", f"--username={postgres.USER}"]
        environment = {"PATH": os.defpath, "PGPASSWORD": at.password}
        run_as = self.account.popen() if self.account else {}
        subprocess.run(command, cwd="/", env=environment, capture_output=True, check=True, **run_as)

    def finish_archiving(self) -> None:
        """Wait until everything that was committed so far is in the archive."""
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as admin:
            row = admin.execute("SELECT pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
            admin.execute("SELECT pg_logical_emit_message(false, 'archive', ''), pg_switch_wal()")
        assert row
        deadline = time.monotonic() + _ARCHIVED_WITHIN_S
        while not (self.wal / row[0]).exists():
            assert time.monotonic() < deadline, "the log was not archived in time"
            time.sleep(0.05)

    @contextmanager
    def restored(self, name: str, moment: Moment | None) -> Iterator[postgres.Server]:
        """Yield a new server with the database as it was at the moment; None means all that is archived."""
        folder, data = self.place.with_name(f"{self.place.name}-{name}"), self.place / name
        subprocess.run(["cp", "-a", str(self.place / "base"), str(data)], check=True)
        settings = _RECOVERING.format(wal=self.wal)
        if moment:
            settings += f"recovery_target_time = '{moment.at.isoformat()}'\n"
            settings += f"recovery_target_inclusive = {'on' if moment.inclusive else 'off'}\n"
        with (data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(settings)
        (data / "recovery.signal").touch()
        folder.mkdir(mode=0o700)
        (folder / "data").symlink_to(data)
        shutil.copy(self.server.postgres.folder / "password", folder / "password")
        if not self.durable:
            (folder / "throwaway").touch()
        try:
            with postgres.start(folder, durable=self.durable) as server:
                yield server
        finally:
            postgres.remove(folder)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def archived(*, durable: bool = False, timeout_s: int = 0) -> Iterator[Archived]:
    """Yield a new server that archives its log, at least every `timeout_s` seconds if that is not 0."""
    account = server_account()
    place, folder = (Path(tempfile.mkdtemp(prefix="rewards-restore-")) for _ in range(2))
    try:
        (place / "wal").mkdir()
        if account:
            for path in (place, place / "wal"):
                os.chown(path, account.uid, account.gid)
        data = postgres.prepare(folder / "postgres", durable=durable).data
        with (data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(_ARCHIVING.format(wal=place / "wal", timeout_s=timeout_s))
        with postgres.start(folder / "postgres", durable=durable) as server:
            yield Archived(place, account, server, durable)
    finally:
        postgres.remove(folder / "postgres")
        for path in (place, folder):
            shutil.rmtree(path, ignore_errors=True)
