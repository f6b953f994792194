//! Spark's error conditions: their SQLSTATE, and what they say.
//!
//! Conditions, SQLSTATEs and the names of parameters are Spark's, of its `error-conditions.json`,
//! because programs match on them. The texts say the same, some more briefly.

use std::collections::BTreeMap;

/// A condition, its SQLSTATE, and its text with `<parameter>`s.
type Condition = (&'static str, &'static str, &'static str);

/// The message of a condition as Spark writes it: `[CONDITION] text. SQLSTATE: 00000`.
pub(crate) fn message(condition: &str, parameters: &BTreeMap<String, String>) -> String {
    let text = match find(condition) {
        Some((_, _, text)) => filled(text, parameters),
        None => parameters
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let text = text.trim_end();
    match sql_state(condition) {
        Some(state) => format!("[{condition}] {text} SQLSTATE: {state}"),
        None => format!("[{condition}] {text}"),
    }
}

/// The SQLSTATE of a condition.
pub(crate) fn sql_state(condition: &str) -> Option<&'static str> {
    let main = |name: &str| {
        name.split_once('.')
            .map_or(name.len(), |(main, _)| main.len())
    };
    let (_, state, _) = find(condition).or_else(|| {
        CONDITIONS
            .iter()
            .find(|(name, ..)| name[..main(name)] == condition[..main(condition)])
    })?;
    Some(state)
}

fn find(condition: &str) -> Option<&'static Condition> {
    CONDITIONS.iter().find(|(name, ..)| *name == condition)
}

/// Puts the parameters into a text. What a value holds is not looked at again.
fn filled(text: &str, parameters: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        filled.push_str(before);
        let value = after
            .split_once('>')
            .and_then(|(name, tail)| Some((parameters.get(name)?, tail)));
        rest = match value {
            Some((value, tail)) => {
                filled.push_str(value);
                tail
            }
            None => {
                filled.push('<');
                after
            }
        };
    }
    filled + rest
}

#[rustfmt::skip]
const CONDITIONS: &[Condition] = &[
    ("AMBIGUOUS_REFERENCE", "42704", "Reference <name> is ambiguous, could be: <referenceNames>."),
    ("ARITHMETIC_OVERFLOW", "22003", "<message>.<alternative> If necessary set <config> to \"false\" to bypass this error."),
    ("ASSIGNMENT_ARITY_MISMATCH", "42802", "The number of columns or variables assigned or aliased: <numTarget> does not match the number of source expressions: <numExpr>."),
    ("BINARY_ARITHMETIC_OVERFLOW", "22003", "<value1> <symbol> <value2> caused overflow. Use <functionName> to get NULL instead."),
    ("CANNOT_MODIFY_CONFIG", "46110", "Cannot modify the value of the Spark config: <key>."),
    ("CANNOT_MODIFY_STATIC_CONFIG", "46110", "Cannot modify the value of the static Spark config: <key>."),
    ("CANNOT_PARSE_TIMESTAMP", "22007", "<message>. Use <func> to tolerate invalid input string and return NULL instead."),
    ("CANNOT_UP_CAST_DATATYPE", "42846", "Cannot up cast <expression> from <sourceType> to <targetType>. <details>"),
    ("CAST_INVALID_INPUT", "22018", "The value <expression> of the type <sourceType> cannot be cast to <targetType> because it is malformed. Correct the value, or change its target type. Use `try_cast` to get NULL instead."),
    ("CAST_OVERFLOW", "22003", "The value <value> of the type <sourceType> cannot be cast to <targetType> due to an overflow. Use `try_cast` to get NULL instead."),
    ("COLUMN_ALREADY_EXISTS", "42711", "The column <columnName> already exists. Choose another name or rename the existing column."),
    ("COLUMN_NOT_FOUND", "42703", "The column <colName> cannot be found. Verify its spelling according to the SQL config <caseSensitiveConfig>."),
    ("CONNECT_INVALID_PLAN.CANNOT_PARSE", "56K00", "The Spark Connect plan is invalid. It cannot be decompressed or parsed (<errorMsg>)"),
    ("CONNECT_INVALID_PLAN.PLAN_SIZE_LARGER_THAN_MAX", "56K00", "The Spark Connect plan is invalid. Its size is larger than the most there may be (<planSize> vs. <maxPlanSize>). Split the query, with temporary views for intermediate results."),
    ("DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: Input to <functionName> should have been <dataType> followed by a value with same element type, but it's [<leftType>, <rightType>]."),
    ("DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: Input to function <functionName> should have been two <arrayType> with same element type, but it's [<leftType>, <rightType>]."),
    ("DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: the left and right operands of the binary operator have incompatible types (<left> and <right>)."),
    ("DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: the binary operator requires the input type <inputType>, not <actualDataType>."),
    ("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: cannot cast <srcType> to <targetType>."),
    ("DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: cannot cast <srcType> to <targetType> with ANSI mode on. If you have to, set <config> as <configVal>."),
    ("DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: cannot cast <srcType> to <targetType>. Use the functions <functionNames> instead."),
    ("DATATYPE_MISMATCH.DATA_DIFF_TYPES", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: Input to <functionName> should all be the same type, but it's <dataType>."),
    ("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: Filter expression <filter> of type <type> is not a boolean."),
    ("DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: The <functionName> does not support ordering on type <dataType>."),
    ("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: The lower bound of a window frame must be <comparison> to the upper bound."),
    ("DATATYPE_MISMATCH.TYPE_CHECK_FAILURE_WITH_HINT", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: <msg><hint>."),
    ("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: The <paramIndex> parameter requires the <requiredType> type, however <inputSql> has the type <inputType>."),
    ("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09", "Cannot resolve <sqlExpr> due to data type mismatch: The <exprName> must be between <valueRange> (current value = <currentValue>)."),
    ("DATA_SOURCE_NOT_FOUND", "42K02", "Failed to find the data source: <provider>. Make sure that its name is correct."),
    ("DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION", "22023", "<rangeMessage>."),
    ("DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", "22023", "<rangeMessage>. If necessary set <ansiConfig> to \"false\" to bypass this error."),
    ("DIVIDE_BY_ZERO", "22012", "Division by zero. Use `try_divide` to get NULL instead. If necessary set <config> to \"false\" to bypass this error."),
    ("DUPLICATED_MAP_KEY", "23505", "Duplicate map key <key> was found, please check the input data. If you want to remove the duplicated keys, you can set <mapKeyDedupPolicy> to \"LAST_WIN\"."),
    ("FAILED_READ_FILE.FILE_NOT_EXIST", "KD001", "Encountered error while reading file <path>. File does not exist; it may have been replaced since it was listed."),
    ("FAILED_READ_FILE.NO_HINT", "KD001", "Encountered error while reading file <path>."),
    ("FIELD_NOT_FOUND", "42704", "No such struct field <fieldName> in <fields>."),
    ("GROUP_BY_AGGREGATE", "42903", "Aggregate functions are not allowed in GROUP BY, but found <sqlExpr>."),
    ("GROUP_BY_POS_AGGREGATE", "42903", "GROUP BY <index> refers to an expression <aggExpr> that contains an aggregate function."),
    ("GROUP_BY_POS_OUT_OF_RANGE", "42805", "GROUP BY position <index> is not in select list (valid range is [1, <size>])."),
    ("INCOMPATIBLE_COLUMN_TYPE", "42825", "<operator> can only be performed on tables with compatible column types. The <columnOrdinalNumber> column of the <tableOrdinalNumber> table is <dataType1> type which is not compatible with <dataType2> at the same column of the first table.<hint>."),
    ("INTERNAL_ERROR", "XX000", "<message>"),
    ("INVALID_ARRAY_INDEX", "22003", "The index <indexValue> is out of bounds. The array has <arraySize> elements. Use the SQL function `get()` to get NULL instead."),
    ("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", "22003", "The index <indexValue> is out of bounds. The array has <arraySize> elements. Use `try_element_at` to get NULL instead."),
    ("INVALID_CONF_VALUE.OUT_OF_RANGE_OF_OPTIONS", "22022", "The value '<confValue>' in the config \"<confName>\" is invalid. It should be one of '<confOptions>'."),
    ("INVALID_CONF_VALUE.REQUIREMENT", "22022", "The value '<confValue>' in the config \"<confName>\" is invalid. <confRequirement>"),
    ("INVALID_CONF_VALUE.TIME_ZONE", "22022", "The value '<confValue>' in the config \"<confName>\" is invalid. Cannot resolve the given timezone."),
    ("INVALID_CONF_VALUE.TYPE_MISMATCH", "22022", "The value '<confValue>' in the config \"<confName>\" is invalid. It should be a/an '<confType>' value."),
    ("INVALID_CURSOR.DISCONNECTED", "HY109", "The cursor is invalid. The cursor has been disconnected by the server."),
    ("INVALID_CURSOR.NOT_REATTACHABLE", "HY109", "The cursor is invalid. The cursor is not reattachable."),
    ("INVALID_CURSOR.POSITION_NOT_AVAILABLE", "HY109", "The cursor is invalid. The cursor position id <responseId> is no longer available at index <index>."),
    ("INVALID_CURSOR.POSITION_NOT_FOUND", "HY109", "The cursor is invalid. The cursor position id <responseId> is not found."),
    ("INVALID_EXTRACT_BASE_FIELD_TYPE", "42000", "Can't extract a value from <base>. Need a complex type [STRUCT, ARRAY, MAP] but got <other>."),
    ("INVALID_HANDLE.FORMAT", "HY000", "The handle <handle> is invalid. Handle must be an UUID string of the format '00112233-4455-6677-8899-aabbccddeeff'"),
    ("INVALID_HANDLE.OPERATION_ABANDONED", "HY000", "The handle <handle> is invalid. Operation was considered abandoned because of inactivity and removed."),
    ("INVALID_HANDLE.OPERATION_ALREADY_EXISTS", "HY000", "The handle <handle> is invalid. Operation already exists."),
    ("INVALID_HANDLE.OPERATION_NOT_FOUND", "HY000", "The handle <handle> is invalid. Operation not found."),
    ("INVALID_HANDLE.SESSION_CHANGED", "HY000", "The handle <handle> is invalid. The server has restarted since. Please reconnect."),
    ("INVALID_HANDLE.SESSION_CLOSED", "HY000", "The handle <handle> is invalid. Session was closed."),
    ("INVALID_HANDLE.SESSION_NOT_FOUND", "HY000", "The handle <handle> is invalid. Session not found."),
    ("INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "42K0E", "The limit like expression <expr> is invalid. The <name> expression must be integer type, but got <dataType>."),
    ("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "42K0E", "The limit like expression <expr> is invalid. The <name> expression must be equal to or greater than 0, but got <v>."),
    ("INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", "42K0E", "The limit like expression <expr> is invalid. The <name> expression must evaluate to a constant value."),
    ("INVALID_PARAMETER_VALUE.INTERRUPT_TYPE_OPERATION_ID_REQUIRES_ID", "22023", "The value of parameter(s) <parameter> in <functionName> is invalid: INTERRUPT_TYPE_OPERATION_ID requested, but no operation_id provided."),
    ("INVALID_PARAMETER_VALUE.INTERRUPT_TYPE_TAG_REQUIRES_TAG", "22023", "The value of parameter(s) <parameter> in <functionName> is invalid: INTERRUPT_TYPE_TAG requested, but no operation_tag provided."),
    ("INVALID_PARAMETER_VALUE.PATTERN", "22023", "The value of parameter(s) <parameter> in <functionName> is invalid: <value>."),
    ("INVALID_SCHEMA.PARSE_ERROR", "42K07", "The input schema <inputSchema> is not a valid schema string. Cannot parse the schema: <reason>"),
    ("INVALID_SQL_SYNTAX.UNSUPPORTED_SQL_STATEMENT", "42000", "Invalid SQL syntax: Unsupported SQL statement: <sqlText>."),
    ("INVALID_TYPED_LITERAL", "42604", "The value of the typed literal <valueType> is invalid: <value>."),
    ("INVALID_USAGE_OF_STAR_OR_REGEX", "42000", "Invalid usage of <elem> in <prettyName>."),
    ("INVALID_WHERE_CONDITION", "42903", "The WHERE condition <condition> contains invalid expressions: <expressionList>. Rewrite the query without window, aggregate and generator functions in the WHERE clause."),
    ("JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE", "42K0E", "The join condition <joinCondition> has the invalid type <conditionType>, expected \"BOOLEAN\"."),
    ("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", "22023", "Malformed records are detected in record parsing: <badRecord>. Parse Mode: <failFastMode>. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'."),
    ("MISSING_AGGREGATION", "42803", "The non-aggregating expression <expression> is based on columns which are not participating in the GROUP BY clause. Add the columns or the expression to the GROUP BY, aggregate the expression, or use <expressionAnyValue> if any of the values within a group will do."),
    ("MISSING_GROUP_BY", "42803", "The query does not include a GROUP BY clause. Add GROUP BY or turn it into the window functions using OVER clauses."),
    ("NESTED_AGGREGATE_FUNCTION", "42607", "It is not allowed to use an aggregate function in the argument of another aggregate function. Please use the inner aggregate function in a sub-query."),
    ("NULL_MAP_KEY", "2200E", "Cannot use null as map key."),
    ("NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION", "22003", "The <roundedValue> rounded half up from <originalValue> cannot be represented as Decimal(<precision>, <scale>)."),
    ("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", "22003", "<value> cannot be represented as Decimal(<precision>, <scale>). If necessary set <config> to \"false\" to bypass this error, and return NULL instead."),
    ("NUM_COLUMNS_MISMATCH", "42826", "<operator> can only be performed on inputs with the same number of columns, but the first input has <firstNumColumns> columns and the <invalidOrdinalNum> input has <invalidNumColumns> columns."),
    ("OPERATION_CANCELED", "HY008", "Operation has been canceled."),
    ("ORDER_BY_POS_OUT_OF_RANGE", "42805", "ORDER BY position <index> is not in select list (valid range is [1, <size>])."),
    ("PARSE_EMPTY_STATEMENT", "42617", "Syntax error, unexpected empty statement."),
    ("PARSE_SYNTAX_ERROR", "42601", "Syntax error at or near <error><hint>."),
    ("PATH_ALREADY_EXISTS", "42K04", "Path <outputPath> already exists. Set mode as \"overwrite\" to overwrite the existing path."),
    ("PATH_NOT_FOUND", "42K03", "Path does not exist: <path>."),
    ("REMAINDER_BY_ZERO", "22012", "Remainder by zero. Use `try_mod` to get NULL instead. If necessary set <config> to \"false\" to bypass this error."),
    ("SCALAR_SUBQUERY_TOO_MANY_ROWS", "21000", "More than one row returned by a subquery used as an expression."),
    ("SCHEMA_NOT_FOUND", "42704", "The schema <schemaName> cannot be found."),
    ("SQL_CONF_NOT_FOUND", "42K0I", "The SQL config <sqlConf> cannot be found. Please verify that the config exists."),
    ("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", "Cannot create table or view <relationName> because it already exists. Choose a different name, or drop or replace the existing object."),
    ("TABLE_OR_VIEW_NOT_FOUND", "42P01", "The table or view <relationName> cannot be found. Verify the spelling of its name, and of its schema and catalog if it has them."),
    ("TASK_WRITE_FAILED", "58030", "Task failed while writing rows to <path>."),
    ("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", "Cannot create the temporary view <relationName> because it already exists. Choose a different name, drop or replace the existing view."),
    ("UNABLE_TO_ACQUIRE_MEMORY", "53200", "Unable to acquire <requestedBytes> bytes of memory, got <receivedBytes>."),
    ("UNABLE_TO_INFER_SCHEMA", "42KD9", "Unable to infer schema for <format>. It must be specified manually."),
    ("UNBOUND_SQL_PARAMETER", "42P02", "Found the unbound parameter: <name>. Please give it a value in `args`: a SQL literal, or a constructor such as `map()`, `array()`, `struct()`."),
    ("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", "A column, variable, or function parameter with name <objectName> cannot be resolved."),
    ("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", "A column, variable, or function parameter with name <objectName> cannot be resolved. Did you mean one of the following? [<proposal>]."),
    ("UNRESOLVED_FIELD.WITHOUT_SUGGESTION", "42703", "A field with name <fieldName> cannot be resolved with the struct-type column <columnPath>."),
    ("UNRESOLVED_FIELD.WITH_SUGGESTION", "42703", "A field with name <fieldName> cannot be resolved with the struct-type column <columnPath>. Did you mean one of the following? [<proposal>]."),
    ("UNRESOLVED_MAP_KEY.WITHOUT_SUGGESTION", "42703", "Cannot resolve column <objectName> as a map key. If the key is a string literal, add the single quotes '' around it."),
    ("UNRESOLVED_ROUTINE", "42883", "Cannot resolve routine <routineName> on search path <searchPath>."),
    ("UNRESOLVED_USING_COLUMN_FOR_JOIN", "42703", "USING column <colName> cannot be resolved on the <side> side of the join. The <side>-side columns: [<suggestion>]."),
    ("UNPIVOT_REQUIRES_VALUE_COLUMNS", "42K0A", "At least one value column needs to be specified for UNPIVOT, all columns specified as ids."),
    ("UNSUPPORTED_DATATYPE", "0A000", "Unsupported data type <typeName>."),
    ("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", "0A000", "The <format> datasource doesn't support the column <columnName> of the type <columnType>."),
    ("UNSUPPORTED_EXPR_FOR_OPERATOR", "42K0E", "A query operator contains one or more unsupported expressions. Rewrite it without window, aggregate and generator functions in the WHERE clause. Invalid expressions: [<invalidExprSqls>]"),
    ("UNSUPPORTED_FEATURE.INTERRUPT_TYPE", "0A000", "The feature is not supported: Unsupported interrupt type: <interruptType>."),
    ("UNSUPPORTED_OPERATION", "0A000", "<operation> is not supported."),
    ("UNSUPPORTED_OVERWRITE.PATH", "42902", "Can't overwrite the target that is also being read from. The target path is <path>."),
    ("USER_RAISED_EXCEPTION", "P0001", "<errorMessage>"),
    ("VIEW_NOT_FOUND", "42P01", "The view <relationName> cannot be found. To tolerate the error on drop use DROP VIEW IF EXISTS."),
    ("WINDOW_FUNCTION_AND_FRAME_MISMATCH", "42K0E", "<funcName> function can only be evaluated in an ordered row-based window frame with a single offset: <windowExpr>."),
    ("WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", "42601", "Window function <funcName> requires an OVER clause."),
    ("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", "The <functionName> requires <expectedNum> parameters but the actual number is <actualNum>."),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_message_has_its_condition_its_parameters_and_its_state() {
        let parameters = parameters(&[("objectName", "`<proposal>`"), ("proposal", "`a`, `b`")]);
        assert_eq!(
            message("UNRESOLVED_COLUMN.WITH_SUGGESTION", &parameters),
            "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with \
             name `<proposal>` cannot be resolved. Did you mean one of the following? [`a`, `b`]. \
             SQLSTATE: 42703"
        );
    }

    #[test]
    fn a_condition_without_a_text_shows_its_parameters() {
        let parameters = parameters(&[("x", "1 < 2"), ("y", "2")]);
        assert_eq!(message("NEW", &parameters), "[NEW] x: 1 < 2, y: 2");
        assert_eq!(sql_state("DATATYPE_MISMATCH.NEW"), Some("42K09"));
    }
}
