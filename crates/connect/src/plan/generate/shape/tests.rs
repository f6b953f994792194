use datafusion::arrow::array::{Int64Array, StringArray};
use datafusion::arrow::datatypes::Int32Type;

use super::*;
use crate::types::list_of;

fn list_of_structs(fields: Vec<(&str, DataType)>) -> DataType {
    let fields: Fields = fields
        .into_iter()
        .map(|(name, data_type)| Field::new(name, data_type, true))
        .collect();
    list_of(DataType::Struct(fields), true)
}

#[test]
fn positions_start_anew_in_each_list_also_of_a_slice() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), Some(2), Some(3)]),
        None,
        Some(vec![]),
        Some(vec![None, Some(5)]),
    ]);
    let lists: ArrayRef = Arc::new(lists.slice(1, 3));
    let fields = vec![("pos", DataType::Int32), ("col", DataType::Int32)];
    let made = elements(&lists, true, &list_of_structs(fields)).unwrap();
    let made = made.as_list::<i32>();
    assert!(made.is_null(0));
    assert_eq!(made.value(1).len(), 0);
    let last = made.value(2);
    let last = last.as_struct();
    assert_eq!(last.column(0).as_ref(), &Int32Array::from(vec![0, 1]));
    assert_eq!(
        last.column(1).as_ref(),
        &Int32Array::from(vec![None, Some(5)])
    );
}

#[test]
fn a_stack_is_filled_row_by_row_and_ends_in_nulls() {
    let arguments: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 10])),
        Arc::new(StringArray::from(vec!["a", "b"])),
        Arc::new(Int64Array::from(vec![2, 20])),
    ];
    let fields = vec![("col0", DataType::Int64), ("col1", DataType::Utf8)];
    let made = stacked(&arguments, 2, &list_of_structs(fields)).unwrap();
    let second = made.as_list::<i32>().value(1);
    let second = second.as_struct();
    assert_eq!(second.column(0).as_ref(), &Int64Array::from(vec![10, 20]));
    assert_eq!(
        second.column(1).as_ref(),
        &StringArray::from(vec![Some("b"), None])
    );
}

#[test]
fn a_field_of_a_null_struct_is_null() {
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, false)]);
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let nulls = NullBuffer::from(vec![true, false]);
    let structs: ArrayRef = Arc::new(StructArray::new(fields, vec![values], Some(nulls)));
    assert_eq!(
        field(&structs, 0).unwrap().as_ref(),
        &Int32Array::from(vec![Some(1), None])
    );
    assert!(field(&structs, 1).is_err());
}

#[test]
fn fields_of_json_objects_are_text() {
    let json = StringArray::from(vec![
        Some(r#"{"a": 1.50, "b": {"z": [1, 2], "y": null}, "c": null, "a": true} tail"#),
        Some("[1]"),
        Some("{"),
        None,
    ]);
    let names = ["a", "b", "c"].map(|name| Arc::new(StringArray::from(vec![name; 4])) as ArrayRef);
    let arguments: Vec<ArrayRef> = std::iter::once(Arc::new(json) as ArrayRef)
        .chain(names)
        .collect();
    let fields: Fields = ["a", "b", "c"]
        .iter()
        .map(|name| Field::new(*name, DataType::Utf8, true))
        .collect();
    let made = json::fields(&arguments, &DataType::Struct(fields)).unwrap();
    let made = made.as_struct();
    let none: Option<&str> = None;
    let of = |text| StringArray::from(vec![text, none, none, none]);
    assert_eq!(made.column(0).as_ref(), &of(Some("true")));
    assert_eq!(
        made.column(1).as_ref(),
        &of(Some(r#"{"z":[1,2],"y":null}"#))
    );
    assert_eq!(made.column(2).as_ref(), &of(None));
}
