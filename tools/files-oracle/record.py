#!/usr/bin/env python3
"""Records how Spark reads and writes files. See README.md."""
import json
import os
import pathlib
import shutil
import sys
import tempfile

import pyspark
from pyspark.sql import SparkSession

if pyspark.__version__ != "4.1.4":
    sys.exit(f"record: this is Spark {pyspark.__version__} and not 4.1.4")
out = pathlib.Path(__file__).parents[2] / "crates/driver/tests/recorded/files.json"
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("OFF")
root = tempfile.mkdtemp()
AS_JSON = {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS"}
reads, writes = [], []


def read(format, files, schema=None, paths=("",), **options):
    """Files by their names, read from these paths below their directory."""
    base = f"{root}/{len(reads)}"
    os.makedirs(base)
    for name, text in files.items():
        path = pathlib.Path(base, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
    case = dict(format=format, files=files, schema=schema, paths=list(paths), options=options)
    try:
        reader = spark.read.format(format).options(**{k: v.replace("BASE", base) for k, v in options.items()})
        if schema:
            reader = reader.schema(schema)
        frame = reader.load([os.path.join(base, path) if path else base for path in paths])
        case["columns"] = [[name, kind] for name, kind in frame.dtypes]
        # Casts keep what is too large for a JSON reader's eyes, and to_json keeps the fields that are null.
        lines = frame.selectExpr(f"to_json(struct(*), map({', '.join(repr(x) for kv in AS_JSON.items() for x in kv)})) as line")
        case["rows"] = sorted(row.line for row in lines.collect()) if frame.columns else [None] * frame.count()
    except Exception as error:
        condition = getattr(error, "getCondition", lambda: None)()
        case["error"] = condition or "other"
    reads.append(case)


def csv(text, schema=None, **options):
    read("csv", {"f.csv": text}, schema, **options)


def lines(text, schema=None, **options):
    read("json", {"f.json": text}, schema, **options)


def write(format, text, schema, partition_by=(), **options):
    """The rows of these lines of JSON, written."""
    path = f"{root}/w{len(writes)}"
    case = dict(format=format, text=text, schema=schema, partition_by=list(partition_by), options=options)
    pathlib.Path(f"{path}.json").write_text(text)
    try:
        rows = spark.read.schema(schema).json(f"{path}.json").coalesce(1)
        rows.write.format(format).options(**options).partitionBy(*partition_by).save(path)
        found = {}
        for directory, _, names in os.walk(path):
            for name in names:
                if not name.endswith(".crc"):
                    where = os.path.relpath(directory, path)
                    # Names without what differs each time.
                    ending = name[name.rindex("c0"):] if name.startswith("part-") else name
                    is_text = name.endswith((".csv", ".json", ".txt"))
                    text = pathlib.Path(directory, name).read_bytes().decode("utf-8") if is_text else None
                    found[f"{where}/{ending}"] = text
        case["files"] = found
    except Exception as error:
        condition = getattr(error, "getCondition", lambda: None)()
        case["error"] = condition or "other"
    writes.append(case)


H = dict(header="true")
I = dict(header="true", inferSchema="true")
exec(pathlib.Path(__file__).with_name("cases.py").read_text())
out.parent.mkdir(exist_ok=True)
# A file as Spark writes it, with timestamps as INT96.
types = """select cast(1 as tinyint) b, cast(2 as smallint) s, 3 i, 4L l, cast(1.5 as float) f, 2.5D d, cast(1.10 as decimal(5,2)) dec,
    cast(123456789012345678901234567890.12 as decimal(38,2)) big, 'x' t, X'616263' bin, true bool, date'2024-01-02' dt,
    timestamp'2024-01-02 03:04:05.123456' ts, timestamp_ntz'2024-01-02 03:04:05' ntz, array(1,null) a,
    named_struct('x', 1, 'ts', timestamp'1500-01-01 00:00:00') st, map('k', 1) m, cast(null as string) n"""
spark.sql(types).coalesce(1).write.parquet(f"{root}/types")
shutil.copy(next(pathlib.Path(root, "types").glob("part-*")), out.with_name("types.parquet"))
out.write_text(json.dumps(dict(reads=reads, writes=writes), indent=1, ensure_ascii=False) + "\n")
shutil.rmtree(root)
print(f"recorded {len(reads)} reads and {len(writes)} writes")
