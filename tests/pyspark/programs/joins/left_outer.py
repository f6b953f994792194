"""A left outer join keeps unmatched rows of its left side."""


def program(spark):
    people = spark.createDataFrame([(1, "Ada"), (2, "Bo"), (3, "Cy")], ["id", "name"])
    pets = spark.createDataFrame([(1, "cat"), (1, "dog"), (3, "eel")], ["owner", "pet"])
    yield people.join(pets, people.id == pets.owner, "left")
    yield people.join(pets, people.id == pets.owner, "left_outer").select("name", "pet")
