import io
from dataclasses import replace
from datetime import timedelta

from rich.console import Console

from movie_recommender.monitoring import Facts, needs_care
from movie_recommender.monitoring.dag import TaskFacts
from movie_recommender.monitoring.reading import Part
from movie_recommender.monitoring.screen import show
from movie_recommender.settings import load_settings
from tests.unit.monitoring.worlds import NOW, RUN, VALUES, gone, spoiled, well


def shown(facts: Facts) -> str:
    out = io.StringIO()
    show(facts, needs_care(facts, load_settings()), Console(file=out, width=120))
    return out.getvalue()


def test_one_screen_holds_it_all() -> None:
    text = shown(well())
    assert len(text.splitlines()) <= 24
    for told in (
        "1,000 interactions",
        "newest event 9.0 h ago, landed 7.0 h ago; 0.33% dead letters",
        "waiting for extraction: 5 users, 5 movies, 5 interactions",
        "snapshot s5 as of 2026-06-10 (9.0 h ago), 500 examples, 0 warnings",
        "most in hour, 0.020",
        "production version 4 (3.0 days ago), gate passed, auc 0.900, ndcg_at_10 0.600",
        "previous version 3 (10.0 days ago), gate passed, auc 0.800",
        "ready, version 4, 2 workers, contacts of snapshot s5",
        "scheduled__2026-06-10 success after 240 s, 6.9 h ago",
        "next run 2026-06-11 02:00 UTC",
        "All is well.",
    ):
        assert told in text, told


def test_what_needs_care_stands_below_with_what_to_do() -> None:
    failed = replace(RUN, state="failed", tasks=[TaskFacts("train_model", "failed", 3.0)])
    running = replace(RUN, queued=NOW - timedelta(hours=1))
    text = shown(spoiled("airflow", last=failed, running=running))
    assert "failed: train_model after 240 s" in text
    assert "under way:" in text
    assert "→ look at the tasks' logs in Airflow" in text
    assert "1 to look after." in text


def test_with_everything_down_each_part_says_why() -> None:
    text = shown(gone(*VALUES))
    assert text.count("can't be read, see below") == len(VALUES)
    assert all(f"{name}: {name} is down." in text for name in VALUES)
    assert f"{len(VALUES)} to look after." in text


def test_a_part_that_is_left_out_names_its_setting() -> None:
    text = shown(well(serving=Part(None), airflow=Part(None)))
    assert "left out: SERVING_URL is empty" in text
    assert "left out: AIRFLOW_API_URL is empty" in text
    assert "All is well." in text


def test_text_from_outside_is_not_markup() -> None:
    text = shown(spoiled("serving", degraded=["[red]registry[/red] gone"]))
    assert "[red]registry[/red] gone" in text
