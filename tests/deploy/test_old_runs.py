"""Runs that an earlier version wrote still answer, with the same words."""

import json
from pathlib import Path

import pytest

from swiftrnn import cli

RUNS = Path(__file__).parent.parent / "fixtures" / "runs-0.1"  # made by 90df182, smoke settings


def test_a_tagger_of_before_finds_what_it_found(capsys):
    words = ("predict", str(RUNS / "names"), "In Rimonaville , Lututo met a friend .")
    assert cli.main([*words, "--format", "jsonl"]) == 0
    found = json.loads(capsys.readouterr().out)["entities"]
    assert [(e["start"], e["end"], e["type"], e["text"]) for e in found] == [
        (3, 14, "place", "Rimonaville"),
        (17, 23, "person", "Lututo"),
    ]
    assert [e["confidence"] for e in found] == pytest.approx([0.858, 0.7551], abs=2e-3)


def test_a_language_model_of_before_goes_on_as_it_did(capsysbinary):
    words = ("predict", str(RUNS / "sums"), "3+4=", "--length", "12", "--temperature", "0")
    assert cli.main([*words]) == 0
    assert capsysbinary.readouterr().out == (RUNS / "sums.out").read_bytes()
