"""A Spark Connect server that runs nothing and remembers what it was asked."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import Any

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

VERSION = "4.1.0"


class RecordingServer(base_pb2_grpc.SparkConnectServiceServicer):
    """Answers questions of configuration, and lets queries wait until they are interrupted."""

    def __init__(self, warnings: list[str] | None = None) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.settings: dict[str, str] = {}
        self.warnings = warnings or []
        self.executing = threading.Event()
        self.interrupted = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        base_pb2_grpc.add_SparkConnectServiceServicer_to_server(self, self._server)
        self.remote = f"sc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        """Stops at once."""
        self._server.stop(None).wait()

    def names(self) -> list[str]:
        """The calls, in order."""
        return [name for name, _, _ in self.calls]

    def sets(self) -> list[Any]:
        """The requests that set something, in order."""
        operations = [request.operation for name, request, _ in self.calls if name == "Config"]
        return [operation.set for operation in operations if operation.WhichOneof("op_type") == "set"]

    def _note(self, name: str, request: Any, context: grpc.ServicerContext) -> dict[str, str]:
        self.calls.append((name, request, dict(context.invocation_metadata())))
        return {"session_id": request.session_id, "server_side_session_id": "server"}

    def Config(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Keeps and tells settings."""
        response = base_pb2.ConfigResponse(**self._note("Config", request, context))
        operation = request.operation
        kind = operation.WhichOneof("op_type")
        if kind == "set":
            self.settings.update({pair.key: pair.value for pair in operation.set.pairs})
            response.warnings.extend(self.warnings)
        elif kind == "get_all":
            response.pairs.extend(base_pb2.KeyValue(key=key, value=value) for key, value in self.settings.items())
        elif kind == "get_with_default":
            for pair in operation.get_with_default.pairs:
                default = pair.value if pair.HasField("value") else None
                response.pairs.append(base_pb2.KeyValue(key=pair.key, value=self.settings.get(pair.key, default)))
        else:
            for key in getattr(operation, kind).keys:
                response.pairs.append(base_pb2.KeyValue(key=key, value=self.settings.get(key)))
        return response

    def AnalyzePlan(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Tells the version."""
        version = base_pb2.AnalyzePlanResponse.SparkVersion(version=VERSION)
        return base_pb2.AnalyzePlanResponse(**self._note("AnalyzePlan", request, context), spark_version=version)

    def ExecutePlan(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Waits for an interruption."""
        self._note("ExecutePlan", request, context)
        self.executing.set()
        self.interrupted.wait(60)
        context.abort(grpc.StatusCode.CANCELLED, "interrupted")

    def Interrupt(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Ends the waiting."""
        names = self._note("Interrupt", request, context)
        self.interrupted.set()
        return base_pb2.InterruptResponse(**names)

    def ReleaseExecute(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Nods."""
        return base_pb2.ReleaseExecuteResponse(**self._note("ReleaseExecute", request, context))

    def ReleaseSession(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Nods."""
        return base_pb2.ReleaseSessionResponse(**self._note("ReleaseSession", request, context))
