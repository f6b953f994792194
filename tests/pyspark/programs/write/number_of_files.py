"""A folder has as many files as the DataFrame has partitions, and a marker of success."""

import glob
import os


def program(spark, path):
    spark.range(10).repartition(3).write.parquet(f"{path}/three")
    yield len(glob.glob(f"{path}/three/part-*"))
    yield os.path.exists(f"{path}/three/_SUCCESS")
    spark.range(10).coalesce(1).write.parquet(f"{path}/one")
    yield len(glob.glob(f"{path}/one/part-*"))
