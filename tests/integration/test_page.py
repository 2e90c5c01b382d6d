"""The pages in a real browser, on a real server with a trained model, a real broker and MLflow."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from movie_recommender import evaluation, kafka, registry
from movie_recommender.events import INTERACTIONS, PARTITIONS
from movie_recommender.settings import Settings
from tests.chromium import chromium
from tests.genres import SUNDAY, genre_of
from tests.serving_process import ServingProcess, movie_ids, settled

pytestmark = pytest.mark.integration

KEY = "open sesame"
USER = 3
PHONE = {"width": 390, "height": 844}

READABLE = Path(__file__).with_name("readable.js").read_text()
"""Lists the texts of a page whose contrast is too low, as WCAG 2.2 reckons it."""

PATHS = ("/", "/m/3", "/search?query=movie", "/history", "/models", "/pipeline", "/nowhere")

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def world(two_versions: Callable[..., Settings]) -> Settings:
    """A published store and two versions that were trained and judged."""
    settings = two_versions("page", (1, 4), (2, 8))
    for version in (1, 2):
        evaluation.run(settings, as_of=SUNDAY, version=version)
        registry.promote(settings, version=version, by_hand=True)
    return settings


@pytest.fixture(scope="module")
def serving(world: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    kafka.ensure_topics(world, {INTERACTIONS.topic: PARTITIONS})
    directory = tmp_path_factory.mktemp("serving")
    with ServingProcess(world, directory, serving_admin_key=KEY, serving_workers=2) as server:
        server.wait(settled)
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, serving: ServingProcess) -> Iterator[Open]:
    """A page as `user`; at the end nothing may have been complained of in any of them."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(path: str, user: int | None = USER, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(10_000)
        if user is not None:
            cookie = {"name": "movie_recommender_user", "value": str(user), "url": serving.url}
            context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(serving.url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [said for said in complaints if "Failed to load resource" not in said] == []


def shown(page: Page) -> list[int]:
    """Ids of the list's movies."""
    fields = page.locator(".cards input[name=movie_id]").all()
    return [int(field.get_attribute("value") or "") for field in fields]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_like_changes_the_list(
    open_page: Open, serving: ServingProcess, *, scripts: bool
) -> None:
    user = 23 if scripts else 43  # of the same genre as user 3, so that 3 of 20 are left
    page = open_page("/", user, java_script_enabled=scripts)
    expect(page.get_by_role("heading", level=1)).to_have_text("Picked for you")
    before = shown(page)
    assert before == movie_ids(serving.recommend(user, k=12, impressions="false"))
    assert [genre_of(movie) for movie in before[:3]] == [3, 3, 3]
    expect(page.locator(".card").first).to_contain_text("Because you liked Movie 6")
    page.get_by_role("button", name=f"Like Movie {before[0]}", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(f"You like Movie {before[0]}.")
    after = shown(page)
    assert before[0] not in after
    assert len(after) == 12
    assert after == movie_ids(serving.recommend(user, k=12, impressions="false"))
    page.get_by_role("link", name="History").click()
    first = page.locator(".tile").first
    expect(first).to_contain_text(f"Movie {before[0]}")


def test_hidden_stays_away(open_page: Open, serving: ServingProcess) -> None:
    page = open_page("/", 63)
    movie = shown(page)[1]
    page.get_by_role("button", name=f"Hide Movie {movie}: not interested").click()
    expect(page.get_by_role("status")).to_contain_text("won't come back")
    assert movie not in shown(page)
    page.reload()
    assert movie not in shown(page)
    page.goto(f"{serving.url}/m/{movie}")
    expect(page.get_by_text("you met it")).to_be_visible()
    explained = serving.client.get("/recommendations/63/explain").json()
    assert movie in explained["seen"]
    assert movie not in explained["liked"]


def test_a_new_user_rates_three(open_page: Open, serving: ServingProcess) -> None:
    page = open_page("/", user=None)
    expect(page.get_by_role("heading", level=1)).to_have_text("Who are you?")
    page.get_by_role("button", name="Begin as a new user").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Popular with everybody")
    user = int(page.locator(".who strong").inner_text())
    assert serving.recommend(user)["reason"] == "popular"
    for movie in (100, 101, 102):
        page.get_by_role("searchbox").fill(f"movie {movie}")
        page.get_by_role("searchbox").press("Enter")
        page.get_by_role("link", name=f"Movie {movie}").click()
        page.get_by_label(f"Stars for Movie {movie}").select_option("5 ★")
        page.get_by_role("button", name=f"Rate Movie {movie}").click()
        expect(page.get_by_role("status")).to_contain_text(f"You rated Movie {movie}")
        expect(page.get_by_text("you like it")).to_be_visible()
    page.get_by_role("link", name="For you").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Picked for you, who are new")
    assert [genre_of(movie) for movie in shown(page)[:5]] == [5] * 5
    expect(page.locator(".card").first).to_contain_text("Because you liked Movie 10")
    assert serving.recommend(user)["reason"] == "new user with likes"


def test_filters(open_page: Open, serving: ServingProcess) -> None:
    page = open_page("/")
    page.get_by_text("Filter the list").click()
    page.get_by_label("Genre").select_option("Genre 7")
    page.get_by_role("button", name="Apply").click()
    assert {genre_of(movie) for movie in shown(page)} == {7}
    hidden = shown(page)[0]
    page.get_by_role("button", name=f"Hide Movie {hidden}: not interested").click()
    expect(page.get_by_role("status")).to_contain_text("won't come back")
    assert {genre_of(movie) for movie in shown(page)} == {7}


def test_search_answers_while_one_types(open_page: Open) -> None:
    page = open_page("/search")
    page.get_by_role("searchbox").press_sequentially("movie 39", delay=30)
    expect(page.locator(".tile").first).to_contain_text("Movie 39")
    expect(page.get_by_role("status")).to_contain_text("titles for “movie 39”")
    assert page.evaluate("document.activeElement.id") == "query"
    assert page.url.endswith("/search?query=movie+39")
    page.get_by_role("searchbox").fill("nothing like that")
    expect(page.locator("#found")).to_contain_text("No title has the words")


def test_search_by_form(open_page: Open) -> None:
    page = open_page("/", java_script_enabled=False)
    page.get_by_role("searchbox").fill("39 movie")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_role("link", name="Movie 39").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Movie 39")
    expect(page.locator(".tile").first).to_contain_text("Genre 1")


def test_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("/", 83)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    first = shown(page)[0]
    for _ in range(3):  # the filters, the title, the button
        page.keyboard.press("Tab")
    focused = "document.activeElement.textContent"
    assert page.evaluate(focused).split() == ["♥", "Like", "Movie", str(first)]
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text(f"You like Movie {first}")
    # The focus is where it was, on what stands there now.
    second = shown(page)[0]
    assert second != first
    assert page.evaluate(focused).split() == ["♥", "Like", "Movie", str(second)]
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("status")).to_contain_text(f"You rated Movie {second}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
def test_every_page_can_be_read(open_page: Open, path: str, scheme: str) -> None:
    page = open_page(path, viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(READABLE) == []
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    level = sum(int(part) for part in re.findall(r"\d+", back))
    assert (level < 150) == (scheme == "dark")
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, input:not([type=hidden])')]"
        ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).length"
    )
    assert small == 0  # targets that a finger hits (WCAG 2.2, 2.5.8)


def test_when_the_server_is_gone_the_page_says_so_in_place(
    open_page: Open, serving: ServingProcess
) -> None:
    page = open_page("/", 103)
    before = shown(page)
    page.route("**/act", lambda route: route.abort())
    page.get_by_role("button", name=f"Like Movie {before[0]}", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("doesn't answer")
    assert shown(page) == before
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_have_text("")


def test_the_model_room(open_page: Open, serving: ServingProcess, world: Settings) -> None:
    page = open_page("/models")
    production = page.get_by_role("row").filter(has_text="production").first
    expect(production.get_by_role("rowheader")).to_have_text("Version 2")
    expect(page.get_by_role("row").filter(has_text="previous").first).to_contain_text("Version 1")
    expect(page.get_by_role("img", name="NDCG@10 by version")).to_be_visible()
    assert page.locator(".plots .dot").count() == 6
    expect(page.get_by_role("heading", name="The gate on version 2")).to_be_visible()
    expect(page.locator(".rules tbody tr").first).to_contain_text("enough users were judged")
    report = page.get_by_role("link", name="The whole report").get_attribute("href")
    assert report is not None
    assert report.startswith(f"{world.mlflow_tracking_uri}/#/experiments/")
    page.get_by_role("link", name="Version 1", exact=True).click()
    expect(page.get_by_role("heading", name="The gate on version 1")).to_be_visible()


def test_rollback_by_the_admin_key(open_page: Open, serving: ServingProcess) -> None:
    page = open_page("/models", 123)
    page.get_by_label("Admin key").fill("guessed")
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The key is wrong")
    assert serving.ready()["model"]["version"] == 2
    page.goto(f"{serving.url}/models")
    page.get_by_label("Admin key").fill(KEY)
    page.get_by_role("button", name="Go back to version 1").click(no_wait_after=True)
    expect(page.get_by_role("status")).to_contain_text("in production again", timeout=60_000)
    serving.wait(lambda ready: {worker["version"] for worker in ready["workers"]} == {1})
    page.reload()
    expect(page.locator(".lead")).to_contain_text("Version 1 of page answers now")
    expect(page.get_by_role("row").filter(has_text="rolled back").first).to_contain_text(
        "Version 2"
    )
    expect(page.get_by_text("There is no earlier version to go back to.")).to_be_visible()
    assert KEY not in serving.log.read_text()
