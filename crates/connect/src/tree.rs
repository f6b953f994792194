//! What `printSchema` prints (`StructType.treeString`).

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use plimsoll_driver::spark_type;

use crate::show::escape_meta_characters;
use crate::types::{key_and_value, type_name};

/// A schema as a tree, down to `level`; without one, or with none above zero, all of it.
pub(crate) fn tree_string(schema: &Schema, level: Option<i32>) -> String {
    let level = level.filter(|level| *level > 0).unwrap_or(i32::MAX);
    let mut tree = Tree("root\n".to_owned());
    for field in schema.fields() {
        tree.field(field, " |", level);
    }
    tree.0
}

struct Tree(String);

impl Tree {
    fn field(&mut self, field: &Field, prefix: &str, level: i32) {
        let name = escape_meta_characters(field.name());
        let note = format!(" (nullable = {})", field.is_nullable());
        self.line(&name, field.data_type(), &note, prefix, level);
    }

    /// One line, and below it what its type holds.
    fn line(&mut self, name: &str, data_type: &DataType, note: &str, prefix: &str, level: i32) {
        if level <= 0 {
            return;
        }
        let type_name = type_name(data_type);
        self.0
            .push_str(&format!("{prefix}-- {name}: {type_name}{note}\n"));
        self.inside(data_type, &format!("{prefix}    |"), level - 1);
    }

    fn inside(&mut self, data_type: &DataType, prefix: &str, level: i32) {
        match spark_type(data_type) {
            DataType::List(item) => {
                let note = format!(" (containsNull = {})", item.is_nullable());
                self.line("element", item.data_type(), &note, prefix, level);
            }
            DataType::Struct(fields) => {
                for field in &fields {
                    self.field(field, prefix, level);
                }
            }
            DataType::Map(entries, _) => {
                if let Some((key, value)) = key_and_value(&entries) {
                    let note = format!(" (valueContainsNull = {})", value.is_nullable());
                    self.line("key", key.data_type(), "", prefix, level);
                    self.line("value", value.data_type(), &note, prefix, level);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddl;

    fn nested() -> Schema {
        ddl::parse_schema(
            "a INT NOT NULL, `b c` STRING, arr array<struct<x:int,y:map<string,array<double>>>>, \
             m map<struct<k:int>,struct<v:decimal(10,2)>>, i interval, v void, ntz timestamp_ntz, \
             `t\tab` int",
        )
        .unwrap()
    }

    #[test]
    fn the_whole_tree_is_sparks() {
        let expected = "\
root
 |-- a: integer (nullable = false)
 |-- b c: string (nullable = true)
 |-- arr: array (nullable = true)
 |    |-- element: struct (containsNull = true)
 |    |    |-- x: integer (nullable = true)
 |    |    |-- y: map (nullable = true)
 |    |    |    |-- key: string
 |    |    |    |-- value: array (valueContainsNull = true)
 |    |    |    |    |-- element: double (containsNull = true)
 |-- m: map (nullable = true)
 |    |-- key: struct
 |    |    |-- k: integer (nullable = true)
 |    |-- value: struct (valueContainsNull = true)
 |    |    |-- v: decimal(10,2) (nullable = true)
 |-- i: interval (nullable = true)
 |-- v: void (nullable = true)
 |-- ntz: timestamp_ntz (nullable = true)
 |-- t\\tab: integer (nullable = true)
";
        assert_eq!(tree_string(&nested(), None), expected);
        assert_eq!(tree_string(&nested(), Some(0)), expected);
        assert_eq!(tree_string(&nested(), Some(-1)), expected);
    }

    #[test]
    fn a_level_cuts_the_tree() {
        let expected = "\
root
 |-- a: integer (nullable = false)
 |-- b c: string (nullable = true)
 |-- arr: array (nullable = true)
 |    |-- element: struct (containsNull = true)
 |-- m: map (nullable = true)
 |    |-- key: struct
 |    |-- value: struct (valueContainsNull = true)
 |-- i: interval (nullable = true)
 |-- v: void (nullable = true)
 |-- ntz: timestamp_ntz (nullable = true)
 |-- t\\tab: integer (nullable = true)
";
        assert_eq!(tree_string(&nested(), Some(2)), expected);
    }
}
