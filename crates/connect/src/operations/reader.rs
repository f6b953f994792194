use spark_connect_proto as proto;

/// The mark of a request whose rows are read one after the other and not kept, which `plimsoll run` puts on those of
/// `toLocalIterator`: the protocol has the same request for it as for `collect`.
const LOCAL_ITERATOR: &str = "plimsoll/local-iterator";

/// What a request says of whoever reads its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Whether it is a Python, whose Arrow reads what is compressed.
    pub(crate) is_python: bool,
    /// Whether it does not keep the rows, so that there may be any number of them.
    pub(crate) is_local_iterator: bool,
}

impl Reader {
    pub(crate) fn of(request: &proto::ExecutePlanRequest) -> Self {
        use proto::execute_plan_request::request_option::RequestOption;
        let is_mark = |option: &proto::execute_plan_request::RequestOption| matches!(&option.request_option, Some(RequestOption::Extension(mark)) if mark.type_url == LOCAL_ITERATOR);
        Self {
            // PySpark ends its own name, or the one that its user has chosen, with the versions of Spark, the system and
            // Python.
            is_python: request.client_type().contains(" python/"),
            is_local_iterator: request.request_options.iter().any(is_mark),
        }
    }
}
