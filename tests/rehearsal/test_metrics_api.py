"""Tests of the metrics API's server, without a cluster."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal import metrics_api
from tests.rehearsal.metrics_api import Metrics, Use

ORDERS = Use("rewards", "orders-1", {"app": "orders", "hash": "a"}, ("orders",), 0.25)
CATALOG = Use("rewards", "catalog-1", {"app": "catalog"}, ("catalog", "agent"), 0.5)
PODS = f"/apis/{metrics_api.GROUP}/{metrics_api.VERSION}/namespaces/rewards/pods"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    metrics = Metrics()
    metrics.publish([ORDERS, CATALOG])
    with metrics_api.serving(metrics, tmp_path) as port:
        yield f"https://127.0.0.1:{port}"


def get(url: str) -> dict[str, Any]:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(url, timeout=30, context=unchecked) as response:  # noqa: S310  loopback
        answer: dict[str, Any] = json.load(response)
    return answer


def test_pods_are_chosen_by_their_labels(address: str) -> None:
    (pod,) = get(f"{address}{PODS}?labelSelector=app%3Dorders%2Chash%3Da")["items"]
    assert pod["metadata"]["name"] == "orders-1"
    assert [container["usage"]["cpu"] for container in pod["containers"]] == ["250000000n"]
    assert not get(f"{address}{PODS}?labelSelector=app%3Dorders%2Chash%3Db")["items"]
    assert len(get(f"{address}{PODS}")["items"]) == 2


def test_containers_share_their_pods_use(address: str) -> None:
    (pod,) = get(f"{address}{PODS}?labelSelector=app%3Dcatalog")["items"]
    assert [container["usage"]["cpu"] for container in pod["containers"]] == ["250000000n"] * 2


def test_another_path_is_not_found(address: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{address}{PODS}/orders-1/log")
