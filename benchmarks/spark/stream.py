"""Kafka to Delta on Spark, once through: `stream.py JARS BROKERS TOPIC DIRECTORY`.

Prints {"messages", "seconds"}; the time counts from the query's start, when the JVM is up, to its
last commit.
"""

import json
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

SCHEMA = (
    "event_id string, event_type string, event_time timestamp, schema_version int, "
    "user_id bigint, movie_id bigint, fraction double, rating double, position int, "
    "query string, session_id string"
)


def main() -> None:
    """Run the query until it has caught up."""
    jars, brokers, topic, directory = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", ",".join(map(str, Path(jars).glob("*.jar"))))
        .config("spark.driver.memory", "3g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config(
            "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog"
        )
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.range(1).count()
    started = time.perf_counter()
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", brokers)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    event = f.from_json(f.col("value").cast("string"), SCHEMA).alias("event")
    rows = messages.select(event, "topic", "partition", "offset").select(
        "event.*", "topic", "partition", "offset"
    )
    query = (
        rows.withColumn("event_date", f.to_date("event_time"))
        .writeStream.format("delta")
        .partitionBy("event_date")
        .option("checkpointLocation", f"{directory}/checkpoint")
        .trigger(availableNow=True)
        .start(f"{directory}/table")
    )
    query.awaitTermination()
    seconds = time.perf_counter() - started
    count = spark.read.format("delta").load(f"{directory}/table").count()
    sys.stdout.write(json.dumps({"messages": count, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
