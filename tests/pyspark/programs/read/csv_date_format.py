"""dateFormat and timestampFormat for days and times written differently."""


def program(spark, path):
    with open(f"{path}/days.csv", "w") as file:
        file.write("31/12/2023,2023-12-31T23:59:59\n01/02/2024,2024-02-01T00:00:00\n")
    yield spark.read.csv(
        f"{path}/days.csv",
        schema="day date, at timestamp",
        dateFormat="dd/MM/yyyy",
        timestampFormat="yyyy-MM-dd'T'HH:mm:ss",
    )
