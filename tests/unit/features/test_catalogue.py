"""The catalogue: what it lists, and the page that it is."""

import re
from pathlib import Path

import pytest

from movie_recommender.errors import ConfigurationError
from movie_recommender.features import catalogue, schemas
from movie_recommender.features.groups import ENTITY, FRAME, ORDER, load_groups

PAGE = Path(__file__).parents[3] / "docs" / "features.md"
PUBLISHED = list(schemas.PUBLISHED)


def test_the_page_is_the_catalogue():
    assert PAGE.read_text(encoding="utf-8") == catalogue.markdown(), (
        "docs/features.md is not what the SQL files say. Make it again: "
        ".venv/bin/movie-recommender features catalogue > docs/features.md"
    )


def test_published_tables_come_first_and_every_group_once():
    names = [entry.name for entry in catalogue.listing()]
    assert names[: len(PUBLISHED)] == [name for name in ORDER if name in PUBLISHED]
    assert names[len(PUBLISHED) :] == [name for name in ORDER if name not in PUBLISHED]
    kinds = {group.name for group in load_groups() if group.kind in {FRAME, ENTITY}}
    assert kinds == set(PUBLISHED)


def test_a_line_has_the_first_sentence():
    by_name = {entry.name: entry for entry in catalogue.listing()}
    frame = by_name["training_frame"]
    assert (frame.kind, frame.entity, frame.keys) == ("frame", "user x movie", "user_id, movie_id")
    assert frame.description == "Labels with the features of that moment."
    assert by_name["arrivals"].description == "What has come, typed and with known_from."
    assert by_name["pairs"].description.endswith("else 0 at its first contact.")


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_the_reader_hands_out_is_described_with_its_types(name):
    found = {column.name: column for column in catalogue.describe(name).columns}
    schema = schemas.PUBLISHED[name]
    assert [column for column in found if column in schema.names] == schema.names
    for field in schema:
        assert found[field.name].type == str(field.type)
    assert all(column.description for column in found.values())


def test_columns_that_stay_in_the_file_have_its_types():
    columns = {column.name: column for column in catalogue.describe("training_frame").columns}
    assert columns["met_from"].type == "TIMESTAMPTZ"
    columns = {column.name: column for column in catalogue.describe("taste_states").columns}
    assert {name: column.type for name, column in columns.items()} == {
        "user_id": "BIGINT",
        "genre": "INTEGER",
        "known_from": "TIMESTAMPTZ",
        "recent": "BIGINT",
        "older": "BIGINT",
    }


def test_a_header_is_told_whole():
    told = catalogue.describe("genre_matches")
    [group] = [group for group in load_groups() if group.name == "genre_matches"]
    assert told.time_column == group.header["time column"]
    assert (told.grain, told.window) == (group.header["grain"], group.header["window"])
    assert (told.owner, told.description) == (group.header["owner"], group.header["description"])
    assert told.columns == []


def test_an_unknown_group_names_the_known():
    with pytest.raises(ConfigurationError, match=r"'user_feature', .*user_features.*touched_users"):
        catalogue.describe("user_feature")


def test_every_group_has_its_section_and_every_table_its_form():
    page = catalogue.markdown()
    assert sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == sorted(ORDER)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert "<" not in re.sub(r"`[^`]*`", "", page)


def test_what_decides_when_a_value_is_known_is_explained():
    page = catalogue.markdown()
    for word in ("known_from", "HISTORY_LOADED_UNTIL", "first UTC day", "halves"):
        assert word in page
