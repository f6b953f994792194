"""A semi join keeps the left rows with a match, an anti join those without."""


def program(spark):
    customers = spark.createDataFrame([(1, "Mo"), (2, "Ny"), (3, "Ol")], "id int, name string")
    orders = spark.createDataFrame([(1, 5.0), (1, 6.0), (3, 1.0)], "id int, total double")
    yield customers.join(orders, "id", "left_semi")
    yield customers.join(orders, "id", "left_anti")
    yield customers.join(orders, customers.id == orders.id, "semi")
    yield customers.join(orders, (customers.id == orders.id) & (orders.total > 2), "anti")
