"""create_map, map_from_arrays, map_keys, map_values, map_entries and map_concat."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("a", 1, ["x", "y"], [5, 6])], "k string, v int, ks array<string>, vs array<int>")
    made = data.select(F.create_map("k", "v").alias("one"), F.map_from_arrays("ks", "vs").alias("two"))
    yield made
    yield made.select(
        F.sort_array(F.map_keys("two")).alias("keys"), F.map_values("one").alias("values"), F.size("two").alias("n")
    )
    yield made.select(F.map_entries("one").alias("entries"), F.map_concat("one", "two").alias("all"))
    yield made.select(
        F.map_contains_key("two", "x").alias("has"),
        F.element_at("two", "y").alias("y"),
        F.element_at("two", "q").alias("q"),
    )
