//! Expectations recorded from Spark 4.1.4.

use super::*;
use crate::error::Kind as ErrorKind;

fn name(text: &str) -> String {
    types::simple_string(&parse_type(text).unwrap())
}

fn ddl(text: &str) -> String {
    to_ddl(&parse_schema(text).unwrap())
}

/// The condition and the parameters of the refusal.
fn refusal(error: Error) -> String {
    let parameters: Vec<String> = error
        .parameters
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} {}", error.condition.unwrap(), parameters.join(" "))
        .trim_end()
        .to_owned()
}

fn type_refusal(text: &str) -> String {
    refusal(parse_type(text).unwrap_err())
}

fn schema_refusal(text: &str) -> String {
    refusal(parse_schema(text).unwrap_err())
}

#[test]
fn every_type_of_sparks_is_read() {
    let simple = [
        ("INT", "int"),
        ("integer", "int"),
        ("long", "bigint"),
        ("byte", "tinyint"),
        ("short", "smallint"),
        ("real", "float"),
        ("dec", "decimal(10,0)"),
        ("numeric(10)", "decimal(10,0)"),
        ("decimal(10, 2)", "decimal(10,2)"),
        ("varchar(10)", "string"),
        ("character(3)", "string"),
        ("string collate UTF8_LCASE", "string"),
        ("timestamp_ltz", "timestamp"),
        ("timestamp without time zone", "timestamp_ntz"),
        ("time without time zone", "time(6)"),
        ("void", "void"),
        ("interval", "interval"),
        ("interval year to month", "interval year to month"),
        ("interval day to second", "interval day to second"),
        ("int -- a comment", "int"),
        ("int /* a comment */", "int"),
    ];
    for (text, expected) in simple {
        assert_eq!(name(text), expected, "{text}");
    }
}

#[test]
fn nested_types_are_read() {
    assert_eq!(name("ARRAY<ARRAY<INT>>"), "array<array<int>>");
    assert_eq!(
        name("map<string,array<double>>"),
        "map<string,array<double>>"
    );
    assert_eq!(name("struct<>"), "struct<>");
    assert_eq!(
        name("struct<a:int not null comment 'x', `b c` : string, 1a int, select:int>"),
        "struct<a:int,b c:string,1a:int,select:int>"
    );
}

#[test]
fn the_size_of_a_varchar_and_the_units_of_an_interval_reach_the_client() {
    let parsed = |text| parse_datatype_text(text).unwrap().kind.unwrap();
    assert!(matches!(parsed("varchar(3)"), proto::data_type::Kind::VarChar(it) if it.length == 3));
    let proto::data_type::Kind::DayTimeInterval(interval) = parsed("interval hour to second")
    else {
        panic!("not an interval");
    };
    assert_eq!(
        (interval.start_field, interval.end_field),
        (Some(1), Some(3))
    );
}

#[test]
fn a_table_schema_comes_back_as_ddl() {
    let kept = [
        ("a int", "a INT"),
        (
            "a INT NOT NULL COMMENT 'x', `b c` STRING",
            "a INT NOT NULL COMMENT 'x',`b c` STRING",
        ),
        ("`a``b` int", "`a``b` INT"),
        ("a int comment 'it''s' ", "a INT COMMENT 'it\\'s'"),
        ("a int comment \"q\"", "a INT COMMENT 'q'"),
        ("a int comment 'x' 'y'", "a INT COMMENT 'xy'"),
        (
            "a int comment 'tab\\t\\u0041\\101'",
            "a INT COMMENT 'tab\tAA'",
        ),
        ("a int COMMENT r'x\\n'", "a INT COMMENT 'x\\n'"),
        (
            r"a int comment 'x\%y\_\q\101\U0001F44D'",
            r"a INT COMMENT 'x\%y\_qA👍'",
        ),
        ("_1 int, 1a int", "_1 INT,`1a` INT"),
        (
            "select int, from string, interval int",
            "select INT,from STRING,interval INT",
        ),
        ("a\nint\n,b\tstring", "a INT,b STRING"),
        ("a int, a string", "a INT,a STRING"),
        (
            "a array<struct<x:int,y:array<double>>>, m map<string,int>",
            "a ARRAY<STRUCT<x: INT, y: ARRAY<DOUBLE>>>,m MAP<STRING, INT>",
        ),
    ];
    for (text, expected) in kept {
        assert_eq!(ddl(text), expected, "{text}");
    }
}

#[test]
fn wrong_types_are_refused_in_sparks_words() {
    let refused = [
        ("", "PARSE_EMPTY_STATEMENT"),
        ("text", "UNSUPPORTED_DATATYPE typeName=\"TEXT\""),
        ("int(3)", "UNSUPPORTED_DATATYPE typeName=\"INT(3)\""),
        (
            "timestamp(3)",
            "UNSUPPORTED_DATATYPE typeName=\"TIMESTAMP(3)\"",
        ),
        ("`int`", "UNSUPPORTED_DATATYPE typeName=\"INT\""),
        ("array<foo>", "UNSUPPORTED_DATATYPE typeName=\"FOO\""),
        ("varchar", "DATATYPE_MISSING_SIZE type=\"VARCHAR\""),
        (
            "array",
            "INCOMPLETE_TYPE_DEFINITION.ARRAY elementType=<INT>",
        ),
        ("struct", "INCOMPLETE_TYPE_DEFINITION.STRUCT"),
        (
            "decimal(39,0)",
            "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION maxPrecision=38 precision=39",
        ),
        (
            "decimal(5,9)",
            "_LEGACY_ERROR_TEMP_1228 precision=5 scale=9",
        ),
        ("decimal(10,-2)", "PARSE_SYNTAX_ERROR error='-'"),
        ("decimal(10,2", "PARSE_SYNTAX_ERROR error=end of input"),
        ("interval month to year", "PARSE_SYNTAX_ERROR error='to'"),
        ("interval day to month", "PARSE_SYNTAX_ERROR error='to'"),
        ("array<>", "PARSE_SYNTAX_ERROR error='<>'"),
        ("array<int", "PARSE_SYNTAX_ERROR error='<'"),
        ("map<string>", "PARSE_SYNTAX_ERROR error='<'"),
        ("struct<a:int,>", "PARSE_SYNTAX_ERROR error='<'"),
        ("int int", "PARSE_SYNTAX_ERROR error='int'"),
        ("'x'", "PARSE_SYNTAX_ERROR error=''x''"),
        ("struct<a-b:int>", "INVALID_IDENTIFIER ident=a-b"),
    ];
    for (text, expected) in refused {
        assert_eq!(type_refusal(text), expected, "{text}");
    }
}

#[test]
fn wrong_schemas_are_refused_in_sparks_words() {
    let refused = [
        ("a: int", "PARSE_SYNTAX_ERROR error=':'"),
        ("a", "PARSE_SYNTAX_ERROR error=end of input"),
        ("a int,", "PARSE_SYNTAX_ERROR error=end of input"),
        ("a int b int", "PARSE_SYNTAX_ERROR error='b'"),
        ("a int null", "PARSE_SYNTAX_ERROR error='null'"),
        ("1 int", "PARSE_SYNTAX_ERROR error='1'"),
        ("é int", "INVALID_IDENTIFIER ident=é"),
        ("a.b int", "PARSE_SYNTAX_ERROR error='.'"),
        ("a int default 5", "PARSE_SYNTAX_ERROR error='default'"),
        ("a int, `", "PARSE_SYNTAX_ERROR error='`'"),
        ("\"a\" int", "PARSE_SYNTAX_ERROR error='\"a\"'"),
        ("a int comment", "PARSE_SYNTAX_ERROR error=end of input"),
    ];
    for (text, expected) in refused {
        assert_eq!(schema_refusal(text), expected, "{text}");
    }
}

#[test]
fn an_error_shows_the_place_in_the_text() {
    let error = parse_schema("a int,\nb foo").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Parse);
    assert!(
        error
            .message
            .ends_with(" (line 2, pos 2)\n\n== SQL ==\na int,\nb foo\n--^^^\n"),
        "{}",
        error.message
    );
}

#[test]
fn a_text_for_a_schema_may_be_ddl_json_or_a_type() {
    let read = |text| to_ddl(&parse_schema_text(text).unwrap());
    assert_eq!(read("int"), "value INT");
    assert_eq!(read("array<int>"), "value ARRAY<INT>");
    assert_eq!(read("a: int, b: string"), "a INT,b STRING");
    assert_eq!(read("struct<a:int>"), "a INT");
    assert_eq!(read(""), "");
    assert_eq!(
        read(
            r#"{"type":"struct","fields":[{"name":"a","type":"long","nullable":false,"metadata":{"comment":"x"}},{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"array","elementType":"decimal(3, 1)","containsNull":true},"valueContainsNull":true}}]}"#
        ),
        "a BIGINT NOT NULL COMMENT 'x',m MAP<STRING, ARRAY<DECIMAL(3,1)>>"
    );
    // The first reading's error counts.
    assert_eq!(
        refusal(parse_schema_text("foo").unwrap_err()),
        "PARSE_SYNTAX_ERROR error=end of input"
    );
}

#[test]
fn json_has_names_of_its_own() {
    for text in [
        r#""int""#,
        r#""bigint""#,
        r#""foo""#,
        r#""DECIMAL(3,1)""#,
        "{}",
        "[]",
        r#"{"type":"struct"}"#,
    ] {
        let condition = parse_schema_text(text).unwrap_err().condition;
        assert_eq!(
            condition.as_deref(),
            Some("INVALID_JSON_DATA_TYPE"),
            "{text}"
        );
    }
    let read = |text| to_ddl(&parse_schema_text(text).unwrap());
    assert_eq!(read(r#""null""#), "value VOID");
    assert_eq!(read(r#""timestamp_ltz""#), "value TIMESTAMP");
}

#[test]
fn a_hostile_text_is_refused_and_no_more() {
    assert!(parse_type(&"array<".repeat(100_000)).is_err());
    assert!(parse_schema_text(&"struct<a:".repeat(100_000)).is_err());
    assert!(parse_schema_text(&r#"{"type":"array","elementType":"#.repeat(100_000)).is_err());
    for text in [
        "'\\",
        "a int comment '\\u00",
        "a int comment '\\é'",
        "`",
        "r'",
        "/*",
        "--",
        "é-",
    ] {
        let _ = parse_schema_text(text);
        let _ = parse_type(text);
    }
}
