"""The bench, with one round of next to nothing: that both sides do the same, and what it writes."""

import json

import pytest

from infra.bench import command
from infra.settings import Settings

NAMES = {
    f"{name}{suffix}"
    for name in ("open_case", "make_offer", "read_case", "list_settled_claims", "ledger_transfers")
    for suffix in ("", "_c8")
} | {"verify_record"}


@pytest.mark.long
async def test_each_figure_stands_beside_its_limit(tmp_path):
    output = tmp_path / "bench.json"
    given = ["--quick", "--no-s3", "--output", str(output)]
    assert await command.run(given, Settings(folder=tmp_path)) == 0
    told = json.loads(output.read_text())
    assert {each["name"] for each in told} >= NAMES
    for each in told:
        assert set(each) == {"name", "unit", "ours", "limit", "ratio", "rounds"}
        assert each["ours"] > 0 < each["limit"]
        assert each["ratio"] == pytest.approx(each["ours"] / each["limit"], abs=0.01)
        assert each["rounds"] == 1
