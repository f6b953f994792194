//! Expectations recorded from Spark 4.1.4.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatchOptions, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};

use super::*;

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 22222, 3, 4, 5]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        Some("a"),
        None,
        Some("世界你好"),
        Some("abcdefghijklmnopqrstuvwxyz"),
        Some("x\ny"),
    ]));
    RecordBatch::try_from_iter_with_nullable([("id", numbers, true), ("a long name", texts, true)])
        .unwrap()
}

fn show(num_rows: i32, truncate: i32, vertical: bool) -> Show<'static> {
    Show {
        num_rows,
        truncate,
        vertical,
        time_zone: "UTC",
    }
}

fn shown(num_rows: i32, truncate: i32, vertical: bool) -> String {
    let batch = batch();
    // One row more than are shown, as asked for, in two batches.
    let rows = (usize::try_from(num_rows).unwrap_or(0) + 1).min(5);
    let batches = [batch.slice(0, 1), batch.slice(1, rows - 1)];
    show_string(
        &batch.schema(),
        &batches,
        show(num_rows, truncate, vertical),
    )
    .unwrap()
}

fn texts(name: &str, cells: &[&str], truncate: i32) -> String {
    let cells: ArrayRef = Arc::new(StringArray::from(cells.to_vec()));
    let batch = RecordBatch::try_from_iter([(name, cells)]).unwrap();
    let schema = batch.schema();
    show_string(&schema, &[batch], show(20, truncate, false)).unwrap()
}

#[test]
fn cells_stand_to_the_right_and_wide_characters_count_twice() {
    let expected = "\
+-----+--------------------+
|   id|         a long name|
+-----+--------------------+
|    1|                   a|
|22222|                NULL|
|    3|            世界你好|
|    4|abcdefghijklmnopq...|
|    5|                x\\ny|
+-----+--------------------+
";
    assert_eq!(shown(20, 20, false), expected);
    assert_eq!(shown(5, 20, false), expected);
}

#[test]
fn without_truncation_cells_stand_to_the_left() {
    let expected = "\
+-----+--------------------------+
|id   |a long name               |
+-----+--------------------------+
|1    |a                         |
|22222|NULL                      |
|3    |世界你好                  |
|4    |abcdefghijklmnopqrstuvwxyz|
|5    |x\\ny                      |
+-----+--------------------------+
";
    assert_eq!(shown(20, 0, false), expected);
    assert_eq!(shown(20, -1, false), expected);
}

#[test]
fn a_footer_tells_of_rows_left_out() {
    let two = "\
+-----+-----------+
|   id|a long name|
+-----+-----------+
|    1|          a|
|22222|       NULL|
+-----+-----------+
only showing top 2 rows";
    assert_eq!(shown(2, 20, false), two);
    assert!(shown(1, 20, false).ends_with("+\nonly showing top 1 row"));
    let none = "\
+---+-----------+
| id|a long name|
+---+-----------+
+---+-----------+
only showing top 0 rows";
    assert_eq!(shown(0, 20, false), none);
    assert_eq!(shown(-1, 20, false), none);
}

#[test]
fn short_limits_leave_no_room_for_dots() {
    let expected = "\
+---+-----------+
| id|a long name|
+---+-----------+
|  1|          a|
|222|        NUL|
|  3|     世界你|
|  4|        abc|
|  5|        x\\n|
+---+-----------+
";
    assert_eq!(shown(20, 3, false), expected);
    assert!(
        shown(20, 4, false).contains("|2...|       NULL|\n|   3|   世界你好|\n|   4|       a...|")
    );
}

#[test]
fn records_are_upright() {
    let expected = "\
-RECORD 0------------
 id          | 1     
 a long name | a     
-RECORD 1------------
 id          | 22222 
 a long name | NULL  
only showing top 2 rows";
    assert_eq!(shown(2, 20, true), expected);
    assert_eq!(shown(0, 20, true), "(0 rows)");
    assert!(shown(20, 10, true).contains(
        " a long name | 世界你好   \n-RECORD 3-----------------\n id          | 4          \n a long name | abcdefg... \n"
    ));
}

#[test]
fn a_table_without_columns_has_rows_still() {
    let none = Schema::empty();
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(none.clone()), vec![], &options).unwrap();
    let text = show_string(&none, &[batch], show(20, 20, false)).unwrap();
    assert_eq!(text, "++\n||\n++\n||\n||\n++\n");
    let text = show_string(&none, &[], show(20, 20, true)).unwrap();
    assert_eq!(text, "(0 rows)");
}

#[test]
fn cells_are_cut_in_utf_16() {
    let thumbs = "👍".repeat(12);
    assert_eq!(
        texts("x", &[&thumbs], 20),
        "+--------------------+\n|                   x|\n+--------------------+\n\
         |👍👍👍👍👍👍👍👍?...|\n+--------------------+\n"
    );
    assert_eq!(
        texts("Ｘ", &["ａｂ"], 20),
        "+----+\n|  Ｘ|\n+----+\n|ａｂ|\n+----+\n"
    );
}

#[test]
fn control_characters_are_escaped_in_names_and_cells() {
    assert_eq!(
        texts("x\ty", &["a\u{7}\u{B}\u{C}\u{8}z"], 20),
        "+----------+\n|      x\\ty|\n+----------+\n|a\\a\\v\\f\\bz|\n+----------+\n"
    );
}

#[test]
fn html_names_what_has_a_name() {
    let cells: ArrayRef = Arc::new(StringArray::from(vec!["<a href=\"x\">&é世", "b", "c"]));
    let schema = Schema::new(vec![Field::new("x<y", DataType::Utf8, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![cells]).unwrap();
    let html = |num_rows, truncate| {
        let batches = std::slice::from_ref(&batch);
        html_string(&schema, batches, show(num_rows, truncate, false)).unwrap()
    };
    assert_eq!(
        html(1, 20),
        "<table border='1'>\n<tr><th>x&lt;y</th></tr>\n\
         <tr><td>&lt;a href=&quot;x&quot;&gt;&amp;&eacute;世</td></tr>\n</table>\n\
         only showing top 1 row\n"
    );
    assert_eq!(
        html(2, 5),
        "<table border='1'>\n<tr><th>x&lt;y</th></tr>\n<tr><td>&lt;a...</td></tr>\n\
         <tr><td>b</td></tr>\n</table>\nonly showing top 2 rows\n"
    );
}
