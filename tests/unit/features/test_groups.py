"""The SQL files' declared headers."""

import re

from movie_recommender.features.groups import HEADER, ORDER, load_groups, sql_hash


def test_every_sql_file_runs_and_declares_its_header():
    groups = load_groups()
    assert tuple(group.name for group in groups) == ORDER
    for group in groups:
        assert tuple(group.header) == HEADER, group.name
        assert all(group.header.values()), group.name
        assert group.header["published"] in {"yes", "no"}, group.name


def test_published_groups_are_the_three_tables():
    published = [group.name for group in load_groups() if group.published]
    assert published == ["training_frame", "user_features", "movie_features"]


def test_whoever_reads_the_lake_is_bounded_by_as_of_and_day():
    for group in load_groups():
        sql = re.sub(r"--.*", "", group.sql)
        scans = len(re.findall(r"FROM (?:interactions|users|movies)\b", sql))
        assert scans == sql.count("event_time < $as_of") == sql.count("event_date <= $last_day")


def test_hash_is_stable_within_a_process():
    assert re.fullmatch(r"[0-9a-f]{64}", sql_hash())
