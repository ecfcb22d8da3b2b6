"""Tests that splitting and merging Kinesis shards under load loses no record and keeps each key's order."""

import os
import shutil
import socket
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import boto3
import orjson
import pytest

from app import logins
from app.clock import SystemClock
from app.db import Database
from app.insights.stream import consumer
from app.insights.stream.models import Record
from app.ledger import sealer
from app.ledger.stream import Publisher
from app.local.shards import Shards
from app.members import service as members
from tests.conftest import Until
from tests.shop import Shop

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

PACKAGES = Path(__file__).parent.parent / "kinesis"
STREAM = "resharded"


@pytest.fixture(scope="session")
def kinesalite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install kinesalite from its lock file, without running install scripts; return the path of its program."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("needs Node.js with npm, for a Kinesis whose shards close")
    folder = tmp_path_factory.mktemp("kinesis")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PACKAGES / name, folder)
    wanted = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    installed = subprocess.run(wanted, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"npm could not install it: {installed.stderr.strip().splitlines()[-1:]}")
    return folder / "node_modules" / "kinesalite" / "cli.js"


@pytest.fixture
def kinesis(kinesalite: Path, until: Until) -> Iterator["KinesisClient"]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quick = ["--createStreamMs", "20", "--updateStreamMs", "20", "--deleteStreamMs", "20", "--shardLimit", "50"]
    server = subprocess.Popen(
        ["node", str(kinesalite), "--port", str(port), *quick],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HOST": "127.0.0.1"},
    )
    client = boto3.client(
        "kinesis",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  it takes any
    )
    try:
        until(lambda: answers(port))
        client.create_stream(StreamName=STREAM, ShardCount=2)
        until(lambda: active(client))
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def active(kinesis: "KinesisClient") -> bool:
    status = kinesis.describe_stream(StreamName=STREAM)["StreamDescription"]["StreamStatus"]
    return status == "ACTIVE"


def open_shards(kinesis: "KinesisClient") -> list[dict[str, Any]]:
    shards = kinesis.describe_stream(StreamName=STREAM)["StreamDescription"]["Shards"]
    current: list[dict[str, Any]] = [
        dict(shard) for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    ]
    return sorted(current, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))


def split_and_merge(kinesis: "KinesisClient", until: Until, under_load: Callable[[], None]) -> None:
    """Split each shard in two, then merge neighbours until one is left; call `under_load` after each change."""
    for shard in open_shards(kinesis):
        start, end = (int(shard["HashKeyRange"][f"{which}HashKey"]) for which in ("Starting", "Ending"))
        middle = str((start + end) // 2 + 1)
        kinesis.split_shard(StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
        until(lambda: active(kinesis))
        under_load()
    while len(shards := open_shards(kinesis)) > 1:
        left, right = shards[0]["ShardId"], shards[1]["ShardId"]
        kinesis.merge_shards(StreamName=STREAM, ShardToMerge=left, AdjacentShardToMerge=right)
        until(lambda: active(kinesis))
        under_load()


def publish(db: Database, kinesis: "KinesisClient") -> int:
    with db.write() as session:
        sealer.seal(session, SystemClock())
    return Publisher(db, kinesis, STREAM).publish(Event())


@pytest.mark.slow
def test_trial_10_shards_split_and_merged_under_load_lose_nothing_and_keep_each_keys_order(
    shop: Shop, kinesis: "KinesisClient", until: Until
) -> None:
    everyone, product = shop.members(6), shop.product()
    done, rounds, failures = Event(), list[int](), list[BaseException]()

    def load() -> None:
        try:
            while not done.is_set():
                placed = shop.order(everyone[0], (product, 1))
                shop.give_back(placed, 1)
                for member in everyone:  # documents with many revisions, in every part of the keys
                    with shop.db.write() as session:
                        members.consent(session, member, placed.order.paid_minor > 0, shop.clock)
                rounds.append(publish(shop.under(logins.SEALING), kinesis))
        except BaseException as failed:
            failures.append(failed)
            raise

    def under_load() -> None:
        before = len(rounds)
        until(lambda: failures or len(rounds) > before + 1)

    loading = Thread(target=load)
    loading.start()
    try:
        for _ in range(2):
            split_and_merge(kinesis, until, under_load)
    finally:
        done.set()
        loading.join()
    assert not failures
    while publish(shop.under(logins.SEALING), kinesis):
        pass
    came, shards_read = consume(shop.db, kinesis)
    with shop.db.read() as session:
        orders = session.value("SELECT count(*) FROM orders")
        revisions = session.value("SELECT max(tree_size) FROM journal_blocks")
        counted = session.value("SELECT sum(orders)::bigint FROM sales_windows")
        stands = consumer.status(session)
    assert len(shards_read) > 4
    assert min(len(came[str(member)]) for member in everyone) > 10
    assert (counted, stands.revisions, stands.gaps, stands.quarantined) == (orders, revisions, 0, 0)
    assert all(versions == sorted(versions) for versions in came.values())


def consume(db: Database, kinesis: "KinesisClient") -> tuple[dict[str, list[int]], set[str]]:
    """Consume the stream until no records arrive; return each document's versions in order, and the shards read."""
    came: dict[str, list[int]] = defaultdict(list)
    shards, read = Shards(kinesis, STREAM), set[str]()
    quiet = 0
    while quiet < 30:
        quiet += 1
        for shard_id, records in shards.batches():
            quiet = 0
            read.add(shard_id)
            with db.write() as session:
                batch = [Record(record["SequenceNumber"], record["Data"]) for record in records]
                consumer.apply(session, consumer.CONSUMER, shard_id, batch)
            for record in records:
                payload = orjson.loads(record["Data"])["payload"]
                if "sequence" in payload:
                    came[record["PartitionKey"]].append(payload["sequence"])
    return came, read


@pytest.fixture
def moto_stream(cloud: Callable[[str], Any]) -> Any:
    client = cloud("kinesis")
    client.create_stream(StreamName=STREAM, ShardCount=1)
    yield client
    client.delete_stream(StreamName=STREAM)


def test_a_shard_that_is_closed_but_never_ends_does_not_keep_its_children_waiting(moto_stream: Any) -> None:
    for key in ("a", "b"):
        moto_stream.put_record(StreamName=STREAM, Data=key.encode(), PartitionKey=key)
    shard = moto_stream.list_shards(StreamName=STREAM)["Shards"][0]["ShardId"]
    moto_stream.split_shard(StreamName=STREAM, ShardToSplit=shard, NewStartingHashKey=str(2**127))
    moto_stream.put_record(StreamName=STREAM, Data=b"c", PartitionKey="c")
    shards, payloads = Shards(moto_stream, STREAM), set[bytes]()
    for _ in range(4):
        payloads |= {record["Data"] for _, records in shards.batches() for record in records}
    assert payloads == {b"a", b"b", b"c"}
