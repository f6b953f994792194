use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use plimsoll_driver::{Error, Rows};

/// All rows as text, as sqllogictest writes it: NULL for nulls, (empty) for empty strings.
pub async fn text_of(mut rows: Rows) -> Result<Vec<Vec<String>>, Error> {
    let options = FormatOptions::new().with_null("NULL");
    let mut text = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayFormatter<'_>| match column.value(row).to_string() {
                text if text.is_empty() => "(empty)".to_owned(),
                text => text,
            };
            text.push(columns.iter().map(cell).collect());
        }
    }
    Ok(text)
}
