"""What a program yields, and the canonical JSON that two engines' outcomes are compared in."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row

# Aggregates over doubles may add in any order; what is left of a double after this many digits is the same.
SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class Ordered:
    """A DataFrame whose rows are compared in their order."""

    frame: DataFrame


def ordered(frame: DataFrame) -> Ordered:
    """Marks `frame` as one whose order of rows is part of the outcome."""
    return Ordered(frame)


def printed(function: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """What `function(*arguments, **options)` prints: `printed(frame.show, 5, truncate=False)`."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        function(*arguments, **options)
    return output.getvalue()


def raised(function: Callable[[], Any]) -> str:
    """The class and condition of the exception that `function()` ends with, or "nothing"."""
    try:
        function()
    except Exception as error:
        told = error_of(error)["error"]
        return f"{told['class']} {told['condition']}"
    return "nothing"


def outcome_of(yielded: Any) -> dict[str, Any]:
    """The outcome that stands for what a program yielded; fetches the rows if that is a DataFrame."""
    if isinstance(yielded, Ordered):
        return {"ordered": True, **_frame(yielded.frame)}
    if isinstance(yielded, DataFrame):
        outcome = _frame(yielded)
        outcome["rows"].sort(key=_line)
        return outcome
    # Python holds 1 == 1.0 == True and a Row for a tuple: the type is told beside the value.
    return {"type": type(yielded).__name__, "value": canonical(yielded)}


def error_of(error: BaseException) -> dict[str, Any]:
    """The outcome that stands for an exception: its class and Spark's condition, without the message."""
    condition = None
    for getter in ("getCondition", "getErrorClass"):
        if hasattr(error, getter):
            condition = getattr(error, getter)()
            break
    return {"error": {"class": type(error).__name__, "condition": condition}}


def canonical(value: Any) -> Any:
    """`value` as JSON that is the same whenever the value is the same."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        # JSON has neither NaN nor infinities.
        return rounded if rounded - rounded == 0 else repr(rounded)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, (datetime.date, datetime.datetime, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return f"{value // datetime.timedelta(microseconds=1)} us"
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple, Row)):
        return [canonical(element) for element in value]
    if isinstance(value, dict):
        # A list of pairs, since the keys of a map need not be strings and have no order.
        return sorted(([canonical(key), canonical(item)] for key, item in value.items()), key=_line)
    raise TypeError(f"a program yielded a {type(value).__name__}, which has no canonical form")


def _frame(frame: DataFrame) -> dict[str, Any]:
    # The schema is asked for first: once rows are there, a client may answer from them.
    schema = json.loads(frame.schema.json())
    return {"schema": schema, "rows": [canonical(row) for row in frame.collect()]}


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
