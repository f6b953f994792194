//! How operations, streams and the server end otherwise than by being complete.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_work_ends_and_its_client_is_told() {
    let mut served = Served::new().await;
    for kind in [
        InterruptType::All,
        InterruptType::Tag,
        InterruptType::OperationId,
    ] {
        let request = served.request(1, 1, Then::Hang);
        let id = request.operation_id.clone().unwrap();
        let stream = served.run(request).await;
        let which = match kind {
            InterruptType::Tag => Some(Interrupt::OperationTag("tag".into())),
            InterruptType::OperationId => Some(Interrupt::OperationId(id.clone())),
            _ => None,
        };
        assert_eq!(served.interrupt(kind, which.clone()).await, [id]);
        let (condition, status) = error_of(stream).await;
        assert_eq!(condition, "OPERATION_CANCELED");
        let reason = status
            .get_error_details()
            .error_info()
            .unwrap()
            .reason
            .clone();
        assert_eq!(reason, "org.apache.spark.SparkSQLException");
        assert!(served.interrupt(kind, which).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_come_with_their_condition_and_are_there_to_be_fetched() {
    let mut served = Served::new().await;
    let request = served.request(1, 1, Then::Fail);
    let (condition, status) = error_of(served.run(request).await).await;
    assert_eq!(condition, "TABLE_OR_VIEW_NOT_FOUND");
    let details = status.get_error_details();
    let request = proto::FetchErrorDetailsRequest {
        session_id: served.session_id.clone(),
        error_id: details.error_info().unwrap().metadata["errorId"].clone(),
        ..Default::default()
    };
    let fetched = served.client.fetch_error_details(request).await.unwrap();
    let error = fetched.into_inner().errors.remove(0);
    assert_eq!(error.message, status.message());
    assert_eq!(
        error.spark_throwable.unwrap().message_parameters["relationName"],
        "`t`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_server_is_an_error_and_not_its_end() {
    let mut served = Served::new().await;
    let request = served.request(0, 1, Then::Panic);
    let (condition, status) = error_of(served.run(request).await).await;
    assert_eq!(condition, "INTERNAL_ERROR");
    assert!(status.message().contains("a fault"));
    let request = served.request(1, 1, Then::End);
    let mut stream = served.run(request).await.unwrap();
    assert!(read(&mut stream, usize::MAX).await.unwrap().2);
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_that_are_no_more_are_told_apart() {
    let mut served = Served::new().await;
    let id = Uuid::new_v4().to_string();
    let (condition, status) = error_of(served.reattach(&id, None).await).await;
    assert_eq!(condition, "INVALID_HANDLE.SESSION_NOT_FOUND");
    assert_eq!(status.code(), Code::Internal);
    let request = served.request(2, 1, Then::Hang);
    let known = request.operation_id.clone().unwrap();
    let mut first = served.run(request.clone()).await.unwrap();
    let again = served.run(request).await;
    assert_eq!(
        error_of(again).await.0,
        "INVALID_HANDLE.OPERATION_ALREADY_EXISTS"
    );
    let (_, last, _) = read(&mut first, 2).await.unwrap();
    let _second = served.reattach(&known, Some(&last)).await.unwrap();
    assert_eq!(error_of(Ok(first)).await.0, "INVALID_CURSOR.DISCONNECTED");
    let lost = served.reattach(&known, Some("?")).await;
    assert_eq!(error_of(lost).await.0, "INVALID_CURSOR.POSITION_NOT_FOUND");
    let mut request = served.request(1, 1, Then::End);
    request.operation_id = Some("not-a-uuid".into());
    assert_eq!(
        error_of(served.run(request).await).await.0,
        "INVALID_HANDLE.FORMAT"
    );
    let mut request = served.request(1, 1, Then::End);
    request.client_observed_server_side_session_id = Some("other".into());
    assert_eq!(
        error_of(served.run(request).await).await.0,
        "INVALID_HANDLE.SESSION_CHANGED"
    );
    let release = proto::ReleaseSessionRequest {
        session_id: served.session_id.clone(),
        ..Default::default()
    };
    served.client.release_session(release).await.unwrap();
    let request = served.request(1, 1, Then::End);
    assert_eq!(
        error_of(served.run(request).await).await.0,
        "INVALID_HANDLE.SESSION_CLOSED"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_tells_its_clients_and_is_gone() {
    let mut served = Served::new().await;
    let request = served.request(1, 1, Then::Hang);
    let mut stream = served.run(request).await.unwrap();
    read(&mut stream, 1).await.unwrap();
    served.end.send(()).unwrap();
    assert_eq!(error_of(Ok(stream)).await.0, "OPERATION_CANCELED");
    let ended = tokio::time::timeout(2 * GRACE, served.serving).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_with_the_token_come_in() {
    let engine = Arc::new(OneEngine::new());
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(address, Some("secret".into()), engine)
        .await
        .unwrap();
    let address = server.local_addr();
    tokio::spawn(server.serve(std::future::pending()));
    let mut client = Client::connect(format!("http://{address}")).await.unwrap();
    for (header, code) in [
        (None, Code::Unauthenticated),
        (Some("Bearer wrong"), Code::Unauthenticated),
        (Some("secret"), Code::Unauthenticated),
        (Some("Bearer secret"), Code::Ok),
    ] {
        let mut request = tonic::Request::new(proto::ReleaseSessionRequest {
            session_id: Uuid::new_v4().to_string(),
            ..Default::default()
        });
        if let Some(header) = header {
            request
                .metadata_mut()
                .insert("authorization", header.parse().unwrap());
        }
        let response = client.release_session(request).await;
        assert_eq!(
            response.map_or_else(|status| status.code(), |_| Code::Ok),
            code
        );
    }
}

#[tokio::test]
async fn others_than_this_machine_need_a_token() {
    let bind = |address: &str, token: Option<&str>| {
        let engine = Arc::new(OneEngine::new());
        Server::bind(address.parse().unwrap(), token.map(str::to_owned), engine)
    };
    let open = bind("0.0.0.0:0", None).await.err().unwrap();
    assert!(open.to_string().contains("--token"));
    assert!(bind("127.0.0.1:0", Some("")).await.is_err());
    assert!(bind("0.0.0.0:0", Some("secret")).await.is_ok());
    let taken = bind("127.0.0.1:0", None).await.unwrap();
    let again = bind(&taken.local_addr().to_string(), None)
        .await
        .err()
        .unwrap();
    assert!(again.to_string().contains("cannot listen on 127.0.0.1"));
}
