"""sample of nothing and of everything."""


def program(spark):
    data = spark.range(50)
    yield data.sample(0.0).count()
    yield data.sample(fraction=1.0, seed=3).count()
    yield 0 <= data.sample(0.5, seed=7).count() <= 50
