"""What the pages show, without HTML."""

import math
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_recommender.serving.explain import Because, Explained
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.versions import Version
from movie_recommender.serving.web import forms, people, plots, room, static, words
from movie_recommender.serving.web.cards import because
from movie_recommender.serving.web.state import parts_of
from movie_recommender.settings import load_settings

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)


def explained(row: int, **of_liked: float) -> Explained:
    history = [Because(int(liked[1:]), total, 0.0) for liked, total in of_liked.items()]
    return Explained(row, 0.0, 0.0, 0.0, 0.0, sorted(history, key=lambda part: -part.total))


def test_the_likes_that_set_a_movie_apart_are_named_first() -> None:
    # The newest like, 9, adds most to both; what tells them apart are 1 and 2.
    found = because([explained(20, _9=1.0, _1=0.9, _2=0.1), explained(21, _9=1.0, _1=0.1, _2=0.8)])
    assert found == {20: [1, 9], 21: [2, 9]}
    assert because([explained(20, _1=-0.5)]) == {20: []}
    assert because([]) == {}


def test_reasons_in_words() -> None:
    assert words.why("personal").headline == "Picked for you"
    assert words.why("popular in country DE").headline == "Popular in your country DE"
    assert words.why("popular in age group 2").headline == "Popular in your age group 2"
    found = words.why("popular; k=9 cut to the 4 movies that are left; feature store gone: x")
    assert (found.headline, len(found.notes)) == ("Popular with everybody", 2)
    assert words.why("something new").headline == "Something new"


def test_titles_and_spans_in_words() -> None:
    assert words.because(["A"]) == "A"
    assert words.because(["A", "B"]) == "A and B"
    assert words.because(["A", "B", "C"]) == "A, B and C"
    spans = {"less than a minute": 59, "1 minute": 119, "23 hours": 86_399, "2 days": 200_000}
    assert {words.how_long(timedelta(seconds=s)): s for s in spans.values()} == spans
    assert words.how_long(timedelta(seconds=-5)) == "less than a minute"


def test_a_fresh_id_is_nobodys() -> None:
    drawn = iter([5, 5, 7])
    taken = {2**52 + 5}
    assert people.fresh_id(taken.__contains__, below=lambda _: next(drawn)) == 2**52 + 7


@given(st.text())
def test_an_id_is_digits(text: str) -> None:
    user_id = people.parse_user_id(text)
    assert user_id is None or (0 <= user_id < 2**63 and int(text) == user_id)


@pytest.mark.parametrize(
    ("back", "place"),
    [
        ("/?genre=Drama&done=like-1", "/?genre=Drama&done=hide-3"),
        ("/m/7", "/m/7?done=hide-3"),
        ("https://evil.example/", "/?done=hide-3"),
        ("//evil.example/x", "/?done=hide-3"),
        ("/\\evil.example", "/?done=hide-3"),
        ("javascript:alert(1)", "/?done=hide-3"),
        ("/a\r\nset-cookie: x", "/aset-cookie: x?done=hide-3"),
        ("//[evil", "/?done=hide-3"),
        ("", "/?done=hide-3"),
    ],
)
def test_a_form_leads_back_to_this_server(back: str, place: str) -> None:
    assert forms.back_to({"back": back}, done="hide-3") == place


@given(st.text("/\\[]:?#@ \n\tae", max_size=12))
def test_no_form_leads_elsewhere(back: str) -> None:
    place = forms.back_to({"back": back}, done="x")
    assert place.startswith("/")
    assert place[1:2] not in ("/", "\\")
    assert "\n" not in place


def test_buttons_as_feedback() -> None:
    common = {"user_id": "1", "movie_id": "2", "impression_id": "i", "position": "0", "back": "/"}
    like = forms.feedback_of({**common, "do": "like", "rating": "4.0"})
    assert (like.event_type, like.rating, like.is_positive) == ("like", None, True)
    hide = forms.feedback_of({**common, "do": "hide"})
    assert (hide.event_type, hide.rating, hide.is_positive) == ("rating", 0.5, False)
    rate = forms.feedback_of({**common, "do": "rate", "rating": "3.5"})
    assert (rate.rating, rate.is_positive, rate.position) == (3.5, True, 0)
    assert len({forms.key_of(one) for one in (like, hide, rate)}) == 3
    assert forms.key_of(forms.feedback_of({"user_id": "1", "movie_id": "2", "do": "like"})) is None
    with pytest.raises(Problem, match="expected like, hide or rate"):
        forms.feedback_of(common)


@given(
    st.lists(st.floats(0, 1), min_size=0, max_size=8),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_all_marks_lie_in_the_plot(values: list[float], threshold: float | None) -> None:
    estimates = [(n, plots.Estimate(v, max(0, v - 0.1), v + 0.1)) for n, v in enumerate(values)]
    found = plots.plot(estimates, threshold)
    for mark in found.marks:
        assert plots.LEFT < mark.x < plots.WIDTH
        assert 0 < mark.high <= mark.y <= mark.low < plots.HEIGHT
    assert 2 <= len(found.ticks) <= 6
    assert len({text for _, text in found.ticks}) == len(found.ticks)
    assert all(plots.TOP <= y <= plots.HEIGHT - plots.BOTTOM for y, _ in found.ticks)


def test_a_whisker() -> None:
    found = plots.whisker(plots.Estimate(0.5, 0.4, 0.6), 0.4)
    assert found.limit == found.low < found.value < found.high < plots.WHISKER_WIDTH
    assert found.value == pytest.approx(plots.WHISKER_WIDTH / 2, abs=0.1)


def version(number: int, *, aliases: tuple[str, ...] = (), **metrics: float) -> Version:
    return Version(number, f"r{number}", NOW, aliases, {}, metrics)


def test_the_room() -> None:
    judged = {"eval_auc": 0.9, "eval_auc_low": 0.8, "eval_auc_high": 0.95, "eval_gate_passed": 1.0}
    versions = [
        version(4),
        version(3, **{**judged, "eval_gate_passed": 0.0}, eval_ndcg_at_10=math.nan),
        version(2, aliases=("production",), **judged),
        version(1, aliases=("previous",), **judged),
    ]
    found = room.room_of(load_settings(), versions)
    assert [line.role for line in found.lines] == [
        "not judged",
        "refused",
        "production",
        "previous",
    ]
    assert (found.production, found.previous) == (2, 1)
    assert found.lines[1].estimates["ndcg_at_10"] is None
    by_name = {metric.name: metric.plot for metric in found.metrics}
    assert [mark.version for mark in by_name["AUC"].marks] == [1, 2, 3]
    assert by_name["NDCG@10"].marks == []


def test_a_verdict() -> None:
    reasons = [
        {"rule": "auc", "value": 0.8, "low": 0.7, "high": 0.9, "threshold": 0.75, "passed": True},
        {"rule": "beats_item_knn", "value": -0.1, "low": -0.2, "high": -0.05, "threshold": 0.0,
         "passed": False, "severity": "warn", "about": ""},
        {"rule": "no_slice_worse", "value": None, "threshold": 0.0, "passed": False,
         "severity": "fail", "about": "new users"},
    ]  # fmt: skip
    judgement = {
        "headline": "h", "window_start": "2026-11-01T00:00", "window_end": "2026-11-08T00:00",
        "n_users": 5, "gate": {"passed": False, "reasons": reasons}, "page": "javascript:alert(1)",
    }  # fmt: skip
    found = room.verdict_of(3, judgement)
    assert [rule.state for rule in found.rules] == ["ok", "warn", "fail"]
    assert [rule.text for rule in found.rules][1:] == [
        "not behind item-kNN",
        "no group of users or movies loses much (new users)",
    ]
    assert found.rules[0].whisker is not None
    assert found.rules[2].whisker is None
    assert found.page is None


READY = {
    "ready": True,
    "model": {"name": "m", "version": 2, "snapshot_id": "s", "movies": 9125,
              "trained_until": "2026-11-20T00:00:00+00:00", "a_known_user": 1},
    "workers": [{"pid": 1, "version": 2, "snapshot_id": "s"}],
    "registry": {"ok": True, "detail": None, "refused": None},
    "store": {"ok": True, "detail": None, "snapshot_id": "s", "as_of": "2026-11-26T00:00:00+00:00",
              "events_since": 12, "events_forgotten": 0},
    "kafka": {"ok": True, "detail": None},
}  # fmt: skip


def states(now: datetime = NOW, **changed: object) -> dict[str, str]:
    return {part.name: part.state for part in parts_of({**READY, **changed}, now=now)}


def test_the_state_in_words() -> None:
    assert set(states().values()) == {"ok"}
    store = next(part for part in parts_of(READY, now=NOW) if part.name == "Feature store")
    assert ("Age", "9 hours") in store.facts
    assert ("Events since, counted already", "12") in store.facts
    assert states(NOW + timedelta(days=2))["Feature store"] == "warn"
    gone = {"ok": False, "detail": "no answer", "refused": None}
    assert states(kafka=gone)["Kafka"] == "fail"
    assert states(registry=gone)["MLflow, the registry"] == "warn"
    assert states(registry={**gone, "refused": "damaged"})["MLflow, the registry"] == "fail"
    assert states(model=None)["Model"] == "fail"
    assert states(workers=[{"pid": 1, "version": 1, "snapshot_id": "s"}])["Workers"] == "warn"
    nothing = {**READY["store"], "as_of": None, "ok": False}  # type: ignore[dict-item]
    assert states(store=nothing)["Feature store"] == "fail"
    damaged = {**READY["store"], "ok": False, "detail": "torn"}  # type: ignore[dict-item]
    assert states(store=damaged)["Feature store"] == "warn"


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    full = colour if len(colour) == 7 else "#" + "".join(digit * 2 for digit in colour[1:])
    parts = np.array([int(full[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_by_day_and_by_night() -> None:
    css = static._content("page.css").decode()
    assert contrast("#000", "#fff") == pytest.approx(21)
    palettes = [
        dict(re.findall(r"--([\w-]+): (#\w+)", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    assert len(palettes) == 2
    for palette in palettes:
        for text in ("text", "quiet", "now"):
            for back in ("page", "card", "unknown-back"):
                if (text, back) == ("quiet", "unknown-back") or (text, back) == (
                    "now",
                    "unknown-back",
                ):
                    continue  # not used together
                assert contrast(palette[text], palette[back]) >= 4.5, (text, back)
        for state in ("ok", "warn", "fail", "unknown"):
            assert contrast(palette[state], palette[f"{state}-back"]) >= 4.5, state
        assert contrast(palette["on-now"], palette["now"]) >= 4.5
        for mark in ("edge", "now"):  # what isn't text: edges of fields, the focus
            for back in ("page", "card"):
                assert contrast(palette[mark], palette[back]) >= 3, (mark, back)
    hues = re.findall(r"\.hue-\d+ \{ background: (#\w+) \}", css)
    assert len(hues) == 12
    assert min(contrast("#fff", hue) for hue in hues) >= 4.5
