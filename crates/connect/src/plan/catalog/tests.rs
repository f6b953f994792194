use super::*;

#[test]
fn patterns_have_stars_and_alternatives_and_no_case() {
    let names = ["lineitem", "Orders", "part", "partsupp"];
    assert_eq!(matching(names, None), names);
    assert_eq!(
        matching(names, Some("PART*|orders")),
        ["Orders", "part", "partsupp"]
    );
    assert_eq!(matching(names, Some(" part ")), ["part"]);
    assert_eq!(matching(names, Some("*t*t*")), ["lineitem"][..0]);
    assert_eq!(matching(names, Some("*a*p*p")), ["partsupp"]);
    assert_eq!(matching(names, Some("l*m")), ["lineitem"]);
    assert_eq!(matching(names, Some("")), ["lineitem"][..0]);
}

#[test]
fn there_is_one_database_in_one_catalog() {
    for name in ["default", "DEFAULT", "spark_catalog.default"] {
        assert!(is_database(name).unwrap(), "{name}");
    }
    for name in ["nope", "spark_catalog.nope", "other.default", "a.b.default"] {
        assert!(!is_database(name).unwrap(), "{name}");
    }
    let error = known_database("nope").unwrap_err();
    assert_eq!(error.parameters["schemaName"], "`spark_catalog`.`nope`");
}
