"""The SQL files' declared headers."""

import re

from movie_recommender.features import schemas
from movie_recommender.features.groups import (
    ENTITY,
    FRAME,
    HEADER,
    ORDER,
    READ_THE_LAKE,
    STATE,
    STEP,
    TABLES,
    VIEW,
    load_groups,
    read_sql,
    sql_hash,
)


def test_every_sql_file_runs_and_declares_its_header():
    groups = load_groups()
    assert tuple(group.name for group in groups) == ORDER
    for group in groups:
        assert tuple(group.header) == HEADER, group.name
        assert all(group.header.values()), group.name
        assert group.kind in {VIEW, STEP, STATE, FRAME, ENTITY}, group.name


def test_every_published_column_is_described():
    described = {group.name: list(group.columns) for group in load_groups() if group.columns}
    frame = [c for c in described.pop("training_frame") if c not in {"met_from", "positive_from"}]
    entities = {name: schema.names for name, schema in schemas.PUBLISHED.items()}
    assert entities.pop("training_frame") == frame
    assert described == entities


def test_only_the_first_groups_read_the_lake_and_only_before_as_of():
    for group in load_groups():
        sql = re.sub(r"--.*", "", group.sql)
        scans = len(re.findall(r"FROM (?:interactions|users|movies)\b", sql))
        assert scans == (group.name in READ_THE_LAKE), group.name
        assert scans == sql.count("event_time < $as_of") == sql.count("event_date <= $last_day")


def test_tables_that_grow_are_made_beforehand():
    grow = [group.name for group in load_groups() if group.kind in {STATE, FRAME}]
    made = re.findall(r"CREATE TABLE store\.(\w+)", read_sql(TABLES))
    assert sorted(made) == sorted(grow)


def test_hash_is_stable_within_a_process():
    assert re.fullmatch(r"[0-9a-f]{64}", sql_hash())
