"""inferSchema guesses integers, doubles, booleans, dates and timestamps."""


def program(spark, path):
    with open(f"{path}/mixed.csv", "w") as file:
        file.write("i,d,b,day,at,s\n")
        file.write("1,1.5,true,2024-05-01,2024-05-01 10:30:00,x\n")
        file.write("2,0.25,false,2023-12-31,2023-12-31 00:00:00,\n")
    yield spark.read.csv(f"{path}/mixed.csv", header=True, inferSchema=True)
