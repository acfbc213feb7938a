//! Groups and parcels as record batches: what Ballista carries.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, LargeBinaryArray, LargeStringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use engine::job::parts::{Group, Parcel, WorkItem};

/// Column of the bucket.
pub const BUCKET: &str = "bucket";

/// `group: u32, item: text`: the work list.
pub fn work_schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| {
        Arc::new(Schema::new(vec![
            Field::new("group", DataType::UInt32, false),
            Field::new("item", DataType::LargeUtf8, false),
        ]))
    }))
}

/// `bucket: u32, parcel: bytes`: what tasks send.
pub fn parcel_schema() -> SchemaRef {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| {
        Arc::new(Schema::new(vec![
            Field::new(BUCKET, DataType::UInt32, false),
            Field::new("parcel", DataType::LargeBinary, false),
        ]))
    }))
}

fn broken(what: &str) -> DataFusionError {
    DataFusionError::Execution(format!("{what}; do all nodes run the same version?"))
}

/// The rows of a group.
///
/// # Errors
/// When an item cannot be written.
pub fn group_batch(group: &Group) -> Result<RecordBatch> {
    let items: Vec<String> = group
        .items
        .iter()
        .map(serde_json::to_string)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| DataFusionError::External(error.into()))?;
    let numbers = UInt32Array::from(vec![group.number; items.len()]);
    let columns: Vec<Arc<dyn Array>> =
        vec![Arc::new(numbers), Arc::new(LargeStringArray::from(items))];
    Ok(RecordBatch::try_new(work_schema(), columns)?)
}

/// The groups of batches, put together again.
///
/// # Errors
/// When a batch is not one of [`group_batch`].
pub fn groups_of(batches: &[RecordBatch]) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for batch in batches {
        let column = |index| (batch.num_columns() == 2).then(|| batch.column(index));
        let numbers = column(0).and_then(|column| column.as_any().downcast_ref::<UInt32Array>());
        let items = column(1).and_then(|column| column.as_any().downcast_ref::<LargeStringArray>());
        let (Some(numbers), Some(items)) = (numbers, items) else {
            return Err(broken("this is no work list"));
        };
        for row in 0..batch.num_rows() {
            let number = numbers.value(row);
            let item: WorkItem = serde_json::from_str(items.value(row))
                .map_err(|_| broken("an item of the work list cannot be read"))?;
            match groups.last_mut() {
                Some(group) if group.number == number => group.items.push(item),
                _ => groups.push(Group {
                    number,
                    items: vec![item],
                }),
            }
        }
    }
    Ok(groups)
}

/// The row of a parcel.
///
/// # Errors
/// None that is known.
pub fn parcel_batch(parcel: &Parcel) -> Result<RecordBatch> {
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(UInt32Array::from(vec![parcel.bucket])),
        Arc::new(LargeBinaryArray::from_vec(vec![&parcel.bytes])),
    ];
    Ok(RecordBatch::try_new(parcel_schema(), columns)?)
}

/// The parcels of a batch.
///
/// # Errors
/// When the batch is not one of [`parcel_batch`].
pub fn parcels_of(batch: &RecordBatch) -> Result<Vec<Parcel>> {
    let column = |index| (batch.num_columns() == 2).then(|| batch.column(index));
    let buckets = column(0).and_then(|column| column.as_any().downcast_ref::<UInt32Array>());
    let parcels = column(1).and_then(|column| column.as_any().downcast_ref::<LargeBinaryArray>());
    let (Some(buckets), Some(parcels)) = (buckets, parcels) else {
        return Err(broken("these are no parcels"));
    };
    Ok((0..batch.num_rows())
        .map(|row| Parcel {
            bucket: buckets.value(row),
            bytes: parcels.value(row).to_vec(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parcels_come_back() {
        let parcel = Parcel {
            bucket: 7,
            bytes: vec![1, 2, 3],
        };
        let batch = parcel_batch(&parcel).unwrap();
        assert_eq!(parcels_of(&batch).unwrap(), [parcel]);
        assert!(groups_of(&[batch]).is_err());
    }

    #[test]
    fn groups_come_back() {
        let item: WorkItem = serde_json::from_str(
            r#"{"object":3,"location":"/a","relative":"a","size":9,"etag":null,"start":0,"end":9,"part":null}"#,
        )
        .unwrap();
        let group = |number| Group {
            number,
            items: vec![item.clone(), item.clone()],
        };
        let batches = [
            group_batch(&group(1)).unwrap(),
            group_batch(&group(2)).unwrap(),
        ];
        assert_eq!(groups_of(&batches).unwrap(), [group(1), group(2)]);
        assert!(parcels_of(&batches[0]).is_err());
    }
}
