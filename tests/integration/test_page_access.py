"""Where a key is asked for, and a shadow's table, in a real browser, with two real workers."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from movie_recommender.serving.cache import ModelState
from movie_recommender.serving.journal import Contact, Journal
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.fitting import begin, write_bundle
from tests.integration.test_page import PHONE, READABLE, Open, browser, open_page  # noqa: F401
from tests.serving_process import ServingProcess, begin_with, movie_ids, settings_of_nothing
from tests.unit.serving.conftest import bundle, dataset, manifest  # noqa: F401

pytestmark = pytest.mark.integration

KEY = "reads-and-nothing-else"
USERS = range(1, 201, 10)
SIZES = {"phone": PHONE, "desk": {"width": 1280, "height": 800}}


@pytest.fixture(scope="module")
def serving(
    bundle: Path,  # noqa: F811
    dataset: object,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServingProcess]:
    """Guarded; with a shadow that ranks every list, and without a broker or an MLflow."""
    directory = tmp_path_factory.mktemp("serving")
    settings = settings_of_nothing(directory)
    begin_with(bundle, settings, directory)
    keys = directory / "keys"
    keys.write_text(f"# who may what\nreader:read:{KEY}\n")
    options = {"serving_api_keys_file": keys, "serving_workers": 2, "serving_shadow_share": 1.0}
    with ServingProcess(settings, directory, **options) as server:
        server.client.headers["x-api-key"] = KEY
        other = server.folder.bundles / "2-b"
        write_bundle(other, begin(dataset, TrainingConfig(dim=4, threads=1)))  # type: ignore[arg-type]
        manifest(other)
        server.folder.say_shadow(ModelState(2, "bundles/2-b"))
        server.wait(lambda ready: ready["ready"])
        yield server


def test_signing_in_by_keyboard_alone(open_page: Open, serving: ServingProcess) -> None:  # noqa: F811
    page = open_page("/history", 31)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    key = page.get_by_label("Key")
    expect(key).to_be_focused()
    page.keyboard.type("guessed")
    page.keyboard.press("Enter")
    expect(page.locator("[data-said]")).to_have_text("Nobody has this key, or it has expired.")
    expect(key).to_be_focused()
    expect(key).to_have_accessible_description("Nobody has this key, or it has expired.")
    page.keyboard.type(KEY)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.url == f"{serving.url}/history"


def counted(serving: ServingProcess, name: str) -> float:
    """Sum of a counter over its labels."""
    lines = serving.client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def compared(serving: ServingProcess) -> None:
    """Each user has lists of both workers; then he likes two movies, and each is counted once."""
    lists = {user: movie_ids(serving.recommend(user)) for user in USERS}
    until = time.monotonic() + 60
    while counted(serving, "serving_shadow_agreement_count") < 3 * len(USERS):
        assert time.monotonic() < until
        for user in USERS:  # each on a connection of its own, so of whichever worker
            headers = {"x-api-key": KEY}
            httpx.get(f"{serving.url}/recommendations/{user}", headers=headers).raise_for_status()
    now = datetime.now(UTC)
    for user, shown in lists.items():
        for movie_id in (shown[0], 10**9):
            time_us = int(now.timestamp() * 1e6)
            Journal(serving.folder.journal).append(Contact(user, movie_id, time_us, True), now=now)
    while counted(serving, "serving_shadow_likes_total") < 2 * len(USERS):
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(0.5)  # so that the other worker has read them, too
    assert counted(serving, "serving_shadow_likes_total") == 2 * len(USERS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_they_can_be_read(
    open_page: Open,  # noqa: F811
    serving: ServingProcess,
    compared: None,
    size: str,
    scheme: str,
) -> None:
    page = open_page("/models", 31, viewport=SIZES[size], color_scheme=scheme)
    for key, what_follows in (("guessed", "#why.note"), (KEY, "#shadow")):
        assert page.evaluate(READABLE) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
        page.get_by_label("Key").fill(key)
        page.keyboard.press("Enter")
        expect(page.locator(what_follows)).to_be_visible()
    table = page.locator(".scroll[aria-labelledby=shadow]")
    expect(table.get_by_role("row").nth(1).get_by_role("cell").nth(4)).to_have_text(
        str(2 * len(USERS))
    )
    assert page.evaluate(READABLE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    out = page.get_by_role("button", name="Sign out").bounding_box()
    brand = page.get_by_role("link", name="movie-recommender").bounding_box()
    assert out is not None
    assert brand is not None
    assert out["y"] < brand["y"] + brand["height"]  # in one line
    if size == "phone":  # what is beside the edge can be had by keyboard
        table.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(500)
        assert table.evaluate("element => element.scrollLeft") > 0
