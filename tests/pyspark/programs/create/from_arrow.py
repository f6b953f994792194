"""createDataFrame from an Arrow table."""

import pyarrow


def program(spark):
    table = pyarrow.table({"id": pyarrow.array([1, 2, None], pyarrow.int32()), "name": ["x", None, "z"]})
    yield spark.createDataFrame(table)
