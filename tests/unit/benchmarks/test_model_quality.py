import json
from pathlib import Path

import model_quality
import numpy as np
import pytest
from ratings import leave_one_out, ncf_files
from ratings.advantage import Advantage
from ratings.case import Tables

from tests.unit.worlds import END, checkerboard


def advantage(model: list[float], peer: list[float]) -> Advantage:
    return Advantage("ours", "ndcg", np.array(model), "theirs", np.array(peer))


def test_an_advantage_holds_if_it_is_sure(capsys: pytest.CaptureFixture[str]) -> None:
    even, odd = [0.5, 0.7] * 50, [0.4, 0.6] * 50
    found = advantage(even, odd).difference()
    # Each user gains a tenth: paired, there is nothing left to chance.
    assert (found.low, found.value, found.high) == pytest.approx((0.1, 0.1, 0.1))
    advantage(even, odd).say()
    advantage(even, even).say()
    advantage([0.1, 0.9] * 50, [0.4, 0.5] * 50).say()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["holds"] for line in lines] == [True, False, False]
    assert lines[0]["value"] == pytest.approx(0.6)
    assert lines[0]["ratio"] == pytest.approx(1.2)
    assert lines[2]["interval"][0] < 0 < lines[2]["interval"][1]


def test_a_folder_in_ncfs_form_is_trained_on_and_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, users, movies = checkerboard(n_users=80, n_movies=240, n_liked=60)
    parts = leave_one_out.hide_last(Tables(frame, users, movies, END), seed=0)
    ncf_files.write(tmp_path, "board", *parts)
    model_quality.measure(model_quality.case_of(str(tmp_path), "test"), [0])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = ["popularity", "item_knn", "ease", "als", "bpr"]
    assert [(line["claim"], line["peer"]) for line in lines] == [
        (f"NCF on board: {metric}", name) for metric in model_quality.METRICS for name in names
    ]
    # Popularity can't tell the colours apart; whoever can has half as many rivals.
    assert all(line["holds"] for line in lines if line["peer"] == "popularity")
    assert "seeds [0]" in lines[0]["conditions"]
