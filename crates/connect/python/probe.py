"""Says whether a Python can run PySpark scripts against Plimsoll, as one line of JSON.

Run as ``python -c <this text>``. It imports neither PySpark nor what PySpark needs: it looks whether they are there,
which takes milliseconds where importing takes a second. It must be readable by old Pythons too, which are told that
they are too old; hence no annotations beyond what Python 3.6 knows.

The object printed has these members:

``python``      version of the interpreter, such as ``"3.11.7"``
``executable``  path of the interpreter
``pyspark``     version of PySpark, or null where there is none
``location``    directory of the PySpark package, or null
``client_only`` whether this is ``pyspark-client``, which has no classic (JVM) half
``missing``     what must be installed: objects with ``module`` (what is imported) and ``package`` (what pip installs)
``problem``     one sentence for a person, or null if scripts can run
"""
import sys

if sys.path and sys.path[0] == "":
    # Of ``-c``. A file in the current directory must not stand in for a module of the standard library.
    del sys.path[0]

import importlib.util
import json
import os
import re

OLDEST_PYTHON = (3, 10)
OLDEST_PYSPARK = 4

# What the Connect client imports, and the package that brings it, in the order in which pyspark asks for it.
REQUIREMENTS = (
    ("pandas", "pandas"),
    ("pyarrow", "pyarrow"),
    ("numpy", "numpy"),
    ("grpc", "grpcio"),
    ("grpc_status", "grpcio-status"),
    ("google.rpc", "googleapis-common-protos"),
    ("google.protobuf", "protobuf"),
    ("zstandard", "zstandard"),
)


def is_there(module: str) -> bool:
    """Whether ``module`` could be imported; of a dotted name, only the parent is imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def text_of(path: str) -> str:
    """The text of a file, or nothing if there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def probe() -> dict:
    """What this interpreter has to offer."""
    answer = {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable,
        "pyspark": None,
        "location": None,
        "client_only": False,
        "missing": [],
        "problem": None,
    }
    if sys.version_info < OLDEST_PYTHON:
        answer["problem"] = "Python %s is too old: PySpark scripts need %d.%d or newer" % (
            (answer["python"],) + OLDEST_PYTHON
        )
        return answer

    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        answer["missing"] = [{"module": "pyspark", "package": "pyspark-client"}]
        answer["problem"] = "PySpark is not installed for %s: run %s -m pip install pyspark-client" % (
            sys.executable,
            sys.executable,
        )
        return answer

    location = list(spec.submodule_search_locations)[0]
    # Read rather than asked of the installed package's metadata: PYTHONPATH may well name Spark's own directory.
    version = re.search(r"__version__[^\"']*[\"']([^\"']+)", text_of(os.path.join(location, "version.py")))
    answer["location"] = location
    answer["pyspark"] = version.group(1) if version else None
    answer["client_only"] = not os.path.isdir(os.path.join(location, "core"))

    major = re.match(r"\d+", answer["pyspark"] or "")
    if major is None or int(major.group()) < OLDEST_PYSPARK:
        answer["problem"] = "PySpark %s in %s is too old: version %d.0 or newer is needed" % (
            answer["pyspark"],
            location,
            OLDEST_PYSPARK,
        )
        return answer

    # Only from 4.1 on does the client insist on zstandard.
    wanted_by_client = text_of(os.path.join(location, "sql", "connect", "utils.py"))
    for module, package in REQUIREMENTS:
        if module == "zstandard" and "zstandard" not in wanted_by_client:
            continue
        if not is_there(module):
            answer["missing"].append({"module": module, "package": package})
    if answer["missing"]:
        packages = " ".join(entry["package"] for entry in answer["missing"])
        answer["problem"] = "PySpark's Connect client lacks %s: run %s -m pip install %s" % (
            ", ".join(entry["module"] for entry in answer["missing"]),
            sys.executable,
            packages,
        )
    return answer


print(json.dumps(probe()))
