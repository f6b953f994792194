"""EXISTS, NOT EXISTS and IN with subqueries."""


def program(spark):
    spark.createDataFrame([(1, "ink"), (2, "pen"), (3, "pad")], "id int, item string").createOrReplaceTempView("items")
    spark.createDataFrame([(1, 4), (1, 6), (3, 1)], "item_id int, n int").createOrReplaceTempView("orders")
    yield spark.sql("SELECT item FROM items i WHERE EXISTS (SELECT 1 FROM orders o WHERE o.item_id = i.id)")
    yield spark.sql("SELECT item FROM items i WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.item_id = i.id)")
    yield spark.sql("SELECT item FROM items WHERE id IN (SELECT item_id FROM orders WHERE n > 3)")
