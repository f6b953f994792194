//! A client's plan in a few words, for the history and for what is cached.

use prost::Message;
use spark_connect_proto as proto;
use spark_connect_proto::read::ReadType;
use spark_connect_proto::relation::RelType;

/// How many relations are named; the outermost ones of a longer plan.
const MOST: usize = 12;

/// What a cached relation is called: a table by its name.
pub(crate) fn name(relation: &proto::Relation) -> String {
    match &relation.rel_type {
        Some(RelType::Read(proto::Read {
            read_type: Some(ReadType::NamedTable(table)),
            ..
        })) => table.unparsed_identifier.clone(),
        _ => sentence(relation),
    }
}

/// What stands for a plan: its relations, the first ones first.
pub(crate) fn sentence(relation: &proto::Relation) -> String {
    let words = words(relation);
    match words.is_empty() {
        true => format!("DataFrame ({} bytes of plan)", relation.encoded_len()),
        false => format!("DataFrame: {}", words.join(", ")),
    }
}

/// The kinds of the relations on the way from the first leaf to the root, repeated ones once.
fn words(relation: &proto::Relation) -> Vec<&'static str> {
    let mut words = Vec::new();
    let mut next = Some(relation);
    while let Some(relation) = next {
        let Some(kind) = &relation.rel_type else {
            break;
        };
        let (word, input) = step(kind);
        if let Some(word) = word
            && words.last() != Some(&word)
        {
            words.push(word);
        }
        next = input;
    }
    words.truncate(MOST);
    words.reverse();
    words
}

/// What a relation is called, and its first input.
fn step(kind: &RelType) -> (Option<&'static str>, Option<&proto::Relation>) {
    match kind {
        RelType::Read(_) => (Some("read"), None),
        RelType::Sql(_) => (Some("sql"), None),
        RelType::LocalRelation(_)
        | RelType::CachedLocalRelation(_)
        | RelType::ChunkedCachedLocalRelation(_) => (Some("local rows"), None),
        RelType::Range(_) => (Some("range"), None),
        RelType::Catalog(_) => (Some("catalog"), None),
        RelType::Project(it) => (Some("select"), it.input.as_deref()),
        RelType::Filter(it) => (Some("filter"), it.input.as_deref()),
        RelType::Join(it) => (Some("join"), it.left.as_deref()),
        RelType::SetOp(it) => (Some("set operation"), it.left_input.as_deref()),
        RelType::Sort(it) => (Some("sort"), it.input.as_deref()),
        RelType::Limit(it) => (Some("limit"), it.input.as_deref()),
        RelType::Offset(it) => (Some("offset"), it.input.as_deref()),
        RelType::Tail(it) => (Some("tail"), it.input.as_deref()),
        RelType::Aggregate(it) => (Some("aggregate"), it.input.as_deref()),
        RelType::Sample(it) => (Some("sample"), it.input.as_deref()),
        RelType::Deduplicate(it) => (Some("deduplicate"), it.input.as_deref()),
        RelType::WithColumns(it) => (Some("withColumns"), it.input.as_deref()),
        RelType::Drop(it) => (Some("drop"), it.input.as_deref()),
        RelType::Unpivot(it) => (Some("unpivot"), it.input.as_deref()),
        RelType::ShowString(it) => (Some("show"), it.input.as_deref()),
        RelType::HtmlString(it) => (Some("show"), it.input.as_deref()),
        RelType::Summary(it) => (Some("summary"), it.input.as_deref()),
        RelType::Describe(it) => (Some("describe"), it.input.as_deref()),
        RelType::SubqueryAlias(it) => (None, it.input.as_deref()),
        RelType::Hint(it) => (None, it.input.as_deref()),
        RelType::Repartition(it) => (None, it.input.as_deref()),
        RelType::RepartitionByExpression(it) => (None, it.input.as_deref()),
        RelType::ToDf(it) => (None, it.input.as_deref()),
        RelType::WithColumnsRenamed(it) => (None, it.input.as_deref()),
        RelType::ToSchema(it) => (None, it.input.as_deref()),
        RelType::WithRelations(it) => (None, it.root.as_deref()),
        RelType::FillNa(it) => (Some("na.fill"), it.input.as_deref()),
        RelType::DropNa(it) => (Some("na.drop"), it.input.as_deref()),
        RelType::Replace(it) => (Some("na.replace"), it.input.as_deref()),
        _ => (None, None),
    }
}
