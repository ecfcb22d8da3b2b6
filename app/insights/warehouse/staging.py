"""Stage rows in a bucket as gzipped CSV files, with the manifests that Redshift's COPY reads.

An erasure of a member does not rewrite these files, so all versions of the files are deleted right after the load; the
next load deletes the files of an interrupted load.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from app.ids import new_id
from app.insights.warehouse.runner import NULL, Staged

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROWS_A_FILE = 250_000
PREFIX = "warehouse/"
Row = tuple[object, ...]


@dataclass(frozen=True)
class Staging:
    """The bucket in which rows are staged, under the key prefix PREFIX."""

    s3: "S3Client"
    bucket: str

    @contextmanager
    def opened(self) -> Iterator["Batch"]:
        """Yield a new batch, and delete its files at the end, also after an error."""
        batch = Batch(self, f"{PREFIX}{new_id()}")
        try:
            yield batch
        finally:
            self.sweep(batch.folder + "/")

    def sweep(self, prefix: str = PREFIX) -> int:
        """Delete all versions of the objects under a prefix; return how many. Raises ClientError for locked objects."""
        deleted = 0
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                self.s3.delete_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])
                deleted += 1
        return deleted


@dataclass
class _File:
    """A gzipped CSV file that grows in memory up to ROWS_A_FILE rows, some 20 MB."""

    rows: int = 0
    body: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        zipped = gzip.GzipFile(fileobj=self.body, mode="wb", compresslevel=1, mtime=0)
        self._text = io.TextIOWrapper(zipped, "utf-8", newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")

    def add(self, row: Row) -> None:
        self._writer.writerow([NULL if value is None else value for value in row])
        self.rows += 1

    def close(self) -> bytes:
        self._text.close()
        return self.body.getvalue()


@dataclass
class Batch:
    """The staged files of one load, by table."""

    staging: Staging
    folder: str
    _open: dict[str, _File] = field(default_factory=dict)
    _keys: dict[str, list[str]] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, row: Row) -> None:
        if table not in self._open:
            self._open[table] = _File()
        self._open[table].add(row)
        if self._open[table].rows == ROWS_A_FILE:
            self._put(table)

    def table(self, table: str, rows: Iterable[Row] = ()) -> Staged:
        """Add `rows` and complete a table: upload its last file and its manifest; return the names of all its files."""
        for row in rows:
            self.add(table, row)
        if table in self._open or table not in self._keys:
            self._put(table)
        keys, bucket = self._keys[table], self.staging.bucket
        manifest = f"{self.folder}/{table}.manifest"
        entries = [{"url": f"s3://{bucket}/{key}", "mandatory": True} for key in keys]
        self.staging.s3.put_object(Bucket=bucket, Key=manifest, Body=orjson.dumps({"entries": entries}))
        return Staged(bucket, manifest, tuple(keys), self._rows[table])

    def _put(self, table: str) -> None:
        """Upload a table's open file, or an empty file if it has none, because Redshift refuses an empty manifest."""
        file, keys = self._open.pop(table, None) or _File(), self._keys.setdefault(table, [])
        keys.append(f"{self.folder}/{table}.{len(keys)}.csv.gz")
        self.staging.s3.put_object(Bucket=self.staging.bucket, Key=keys[-1], Body=file.close())
        self._rows[table] = self._rows.get(table, 0) + file.rows
