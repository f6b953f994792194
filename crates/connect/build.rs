//! Makes the server side of the Spark Connect service. `apache-spark-connect-proto` has its messages
//! and the client; the service is described here, method by method, over those messages.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let unary = |name: &str, route: &str, input: &str, output: &str| {
        method(name, route, input, output).build()
    };
    let service = Service::builder()
        .name("SparkConnectService")
        .package("spark.connect")
        .method(
            method(
                "execute_plan",
                "ExecutePlan",
                "ExecutePlanRequest",
                "ExecutePlanResponse",
            )
            .server_streaming()
            .build(),
        )
        .method(unary(
            "analyze_plan",
            "AnalyzePlan",
            "AnalyzePlanRequest",
            "AnalyzePlanResponse",
        ))
        .method(unary("config", "Config", "ConfigRequest", "ConfigResponse"))
        .method(
            method(
                "add_artifacts",
                "AddArtifacts",
                "AddArtifactsRequest",
                "AddArtifactsResponse",
            )
            .client_streaming()
            .build(),
        )
        .method(unary(
            "artifact_status",
            "ArtifactStatus",
            "ArtifactStatusesRequest",
            "ArtifactStatusesResponse",
        ))
        .method(unary(
            "interrupt",
            "Interrupt",
            "InterruptRequest",
            "InterruptResponse",
        ))
        .method(
            method(
                "reattach_execute",
                "ReattachExecute",
                "ReattachExecuteRequest",
                "ExecutePlanResponse",
            )
            .server_streaming()
            .build(),
        )
        .method(unary(
            "release_execute",
            "ReleaseExecute",
            "ReleaseExecuteRequest",
            "ReleaseExecuteResponse",
        ))
        .method(unary(
            "release_session",
            "ReleaseSession",
            "ReleaseSessionRequest",
            "ReleaseSessionResponse",
        ))
        .method(unary(
            "fetch_error_details",
            "FetchErrorDetails",
            "FetchErrorDetailsRequest",
            "FetchErrorDetailsResponse",
        ))
        .method(unary(
            "clone_session",
            "CloneSession",
            "CloneSessionRequest",
            "CloneSessionResponse",
        ))
        .method(unary(
            "get_status",
            "GetStatus",
            "GetStatusRequest",
            "GetStatusResponse",
        ))
        .build();
    Builder::new().build_client(false).compile(&[service]);
}

fn method(
    name: &str,
    route: &str,
    input: &str,
    output: &str,
) -> tonic_build::manual::MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("spark_connect_proto::{input}"))
        .output_type(format!("spark_connect_proto::{output}"))
        .codec_path("crate::codec::DeepCodec")
}
