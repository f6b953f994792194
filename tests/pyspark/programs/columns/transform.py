"""transform chains functions from DataFrames to DataFrames."""


def program(spark):
    def doubled(data):
        return data.withColumn("twice", data.id * 2)

    def above(data, least):
        return data.filter(data.twice > least)

    yield spark.range(4).transform(doubled).transform(above, least=2)
