"""Tests that each command refuses arguments that it doesn't know, in one line that says what to type."""

from collections.abc import Callable, Sequence

import pytest

from pipelines import bootstrap, handover, preview, publish, rollout, smoke

Main = Callable[[Sequence[str]], int]


@pytest.mark.parametrize(
    ("main", "arguments", "target"),
    [
        (bootstrap.main, [], "bootstrap ENV=dev"),
        (bootstrap.main, ["dev", "--locall"], "bootstrap ENV=dev FLAGS=--local"),
        (publish.main, [], "publish ENV=dev"),
        (publish.main, ["dev", "--alive"], "publish ENV=dev FLAGS=--live"),
        (handover.main, ["--zip"], "handover FLAGS=--zips"),
        (handover.main, ["dev"], "handover"),
        (preview.main, ["begin"], "preview PR=123 DIGEST=sha256:…"),
        (preview.main, ["begin", "7"], "preview PR=123 DIGEST=sha256:…"),
        (preview.main, ["end"], "preview-end PR=123"),
        (preview.main, [], "previews-expired"),
        (rollout.main, [], "rollout NAMESPACE=rewards IMAGE=registry/app@sha256:…"),
        (smoke.main, [], "smoke URL=https://dev.rewards.example"),
        (smoke.main, ["--delivered"], "smoke URL=https://dev.rewards.example"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else getattr(value, "__module__", ""),
)
def test_wrong_arguments_are_refused_with_the_line_to_type(
    main: Main, arguments: list[str], target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("rewards: ")
    assert output.err.count("\n") == 1
    assert f"make {target}" in output.err
