"""The current catalog and database, and the databases there are."""


def program(spark):
    yield spark.catalog.currentCatalog()
    yield spark.catalog.currentDatabase()
    yield "default" in [database.name for database in spark.catalog.listDatabases()]
    yield spark.catalog.databaseExists("default")
    yield spark.catalog.databaseExists("no_such_database")
