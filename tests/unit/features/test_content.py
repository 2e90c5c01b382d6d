"""The checksums that an increment reckons from its base's are those of all rows."""

import duckdb
import pytest

from movie_recommender.features import content
from tests.unit.features.past import add_day


def of_all_rows(world) -> dict[str, str]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("ATTACH ? AS store (READ_ONLY)", [str(world.store_path)])
        return content.checksums(connection, None, {})


@pytest.mark.parametrize("n_days", [1, 2, 6])
def test_reckoned_and_looked_at(world, n_days):
    for number in range(1, n_days + 1):
        add_day(world, number)
        world.act("view", 7, 11, f"06-{number:02} 12:00")
        if number == n_days:
            world.act("like", 7, 11, f"06-{number:02} 13:00")  # its row gives way
        assert world.build(f"06-{number + 1:02}").increment == (number > 1)
    with world.open() as store:
        assert store.snapshot.checksums == of_all_rows(world)


def test_rows_in_another_order_have_the_same_checksum(world):
    add_day(world, 1)
    add_day(world, 2)
    world.build("06-03")
    before = of_all_rows(world)
    with duckdb.connect(world.store_path) as connection:
        connection.execute(
            "CREATE OR REPLACE TABLE training_frame AS "
            "FROM training_frame ORDER BY event_time DESC, movie_id"
        )
    assert of_all_rows(world) == before


def test_one_row_twice_is_another_content(world):
    add_day(world, 1)
    world.build("06-02")
    before = of_all_rows(world)
    with duckdb.connect(world.store_path) as connection:
        connection.execute("INSERT INTO priors FROM priors")
    after = of_all_rows(world)
    assert {name for name in before if before[name] != after[name]} == {"priors"}
