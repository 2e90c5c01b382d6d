"""The feature store's SQL on Spark, built whole: `features.py JARS ORDER`, the order a JSON file.

The files of `features_sql` are those of the package, in the same order, in Spark's words: an ASOF
join is one with a row's interval from its known_from to the next one's, `HUGEINT` is a decimal,
`hash` is `xxhash64`, and the names `store.x` are `store_x`. States, frames and entities are written
as Parquet, and read from there by what comes after them; steps are kept in memory where more than
one group reads them.

Prints {"seconds", "groups", "rows"}: the time counts from when the JVM is up, to the last file;
the rows of each table are counted after it.
"""

import json
import re
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

SQL = Path(__file__).parent / "features_sql"
ASKED_ONCE = {"taste_days", "genre_matches"}
"""Steps that one other group reads, once: Spark needn't keep them."""
ON_SPARK = {
    "spark.driver.memory": "6g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PARAMETER = re.compile(r"\$([a-z_]+)")
ARRIVED = """
SELECT max(unix_micros(known_from))
FROM (
    SELECT known_from FROM user_days UNION ALL
    SELECT known_from FROM movie_upserts UNION ALL
    SELECT known_from FROM user_upserts
)
"""


def main() -> None:
    """Build the store that `ORDER` asks for."""
    jars, order = sys.argv[1:]
    wanted = json.loads(Path(order).read_text())
    spark = _session(Path(jars), Path(wanted["out"]))
    spark.range(1).count()
    started = time.perf_counter()
    seconds = _build(spark, wanted)
    whole = time.perf_counter() - started
    rows = {
        name: spark.read.parquet(f"{wanted['out']}/{name}").count()
        for name, kind in wanted["groups"]
        if kind in ("state", "frame", "entity")
    }
    sys.stdout.write(json.dumps({"seconds": whole, "groups": seconds, "rows": rows}) + "\n")


def _session(jars: Path, out: Path) -> SparkSession:
    builder = SparkSession.builder.master("local[2]")
    builder = builder.config("spark.jars", ",".join(map(str, jars.glob("*.jar"))))
    builder = builder.config("spark.local.dir", str(out / "spill"))
    for name, value in ON_SPARK.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _build(spark: SparkSession, wanted: dict) -> dict[str, float]:
    """Run all groups; seconds of each."""
    for topic, files in wanted["files"].items():
        rows = spark.read.option("basePath", wanted["tables"][topic]).parquet(*files)
        rows.createOrReplaceTempView(topic)
    for statement in (SQL / "tables.sql").read_text().split(";"):
        spark.sql(statement)
    as_of = datetime.fromisoformat(wanted["as_of"]).astimezone(UTC)
    parameters = {
        "as_of": as_of,
        "last_day": (as_of - timedelta(microseconds=1)).date(),
        "on_time_until": datetime.fromisoformat(wanted["on_time_until"]),
        "decay_moved": False,
    }
    seconds = {}
    for name, kind in wanted["groups"]:
        started = time.perf_counter()
        query = (SQL / f"{name}.sql").read_text()
        rows = spark.sql(PARAMETER.sub(lambda match: _literal(parameters[match[1]]), query))
        _keep(spark, rows, name, kind, wanted["out"])
        if name == "user_days":
            [(microseconds,)] = spark.sql(ARRIVED).collect()
            known_until = EPOCH + timedelta(microseconds=microseconds or 0)
            parameters["decayed_to"] = max(as_of, known_until)
        seconds[name] = round(time.perf_counter() - started, 2)
    return seconds


def _literal(value: date) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value.astimezone(UTC).isoformat()}'"
    return f"DATE '{value}'" if isinstance(value, date) else str(value)


def _keep(spark: SparkSession, rows: DataFrame, name: str, kind: str, out: str) -> None:
    if kind == "view" or name in ASKED_ONCE:
        rows.createOrReplaceTempView(name)
    elif kind == "step":
        rows.cache().createOrReplaceTempView(name)
    else:
        rows.write.mode("overwrite").parquet(f"{out}/{name}")
        spark.read.parquet(f"{out}/{name}").createOrReplaceTempView(f"store_{name}")


if __name__ == "__main__":
    main()
