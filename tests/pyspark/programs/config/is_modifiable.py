"""Some settings may be changed while a session lives, others not."""


def program(spark):
    yield spark.conf.isModifiable("spark.sql.shuffle.partitions")
    yield spark.conf.isModifiable("spark.driver.memory")
    yield spark.conf.isModifiable("no.such.setting")
