//! Rows of shredded events on their way to part files: one buffer a kind and worker, handed over once a chunk.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::iglu::{SchemaEntry, SchemaKey};
use crate::output::{Ending, JobOutput, PartWriter};
use crate::shred::{ATOMIC_FOLDER, RowKind, ShreddedRows, entity};

/// Buffers above this size are given back after a chunk where there are many: rare types may not hold memory.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Rank of the good root among the output's roots.
pub(super) const GOOD: usize = 0;
/// Rank of the root of bad rows.
pub(super) const BAD: usize = 1;

/// Rows of one folder.
#[derive(Debug, Default)]
struct Buffer {
    folder: String,
    bytes: Vec<u8>,
    rows: u64,
    writer: Option<Arc<PartWriter>>,
}

/// The rows of one worker.
#[derive(Debug)]
pub(super) struct RowBuffers<'o> {
    output: &'o JobOutput,
    atomic: Buffer,
    types: Vec<Buffer>,
    by_key: HashMap<SchemaKey, usize>,
    /// The type of a schema by the address of its entry. The entries are kept alive here, so that no other schema can
    /// take an address.
    by_entry: HashMap<usize, (Arc<SchemaEntry>, usize)>,
    /// Rows of shredded JSONs that were handed over.
    pub(super) shredded: u64,
}

impl<'o> RowBuffers<'o> {
    /// No rows yet.
    pub(super) fn new(output: &'o JobOutput) -> Self {
        Self {
            output,
            atomic: Buffer {
                folder: ATOMIC_FOLDER.to_owned(),
                ..Buffer::default()
            },
            types: Vec::new(),
            by_key: HashMap::new(),
            by_entry: HashMap::new(),
            shredded: 0,
        }
    }

    fn type_of(&mut self, key: &SchemaKey) -> usize {
        if let Some(index) = self.by_key.get(key) {
            return *index;
        }
        let index = self.types.len();
        self.types.push(Buffer {
            folder: entity::folder(key),
            ..Buffer::default()
        });
        self.by_key.insert(key.clone(), index);
        index
    }

    fn type_of_entry(&mut self, schema: &Arc<SchemaEntry>) -> usize {
        let address = Arc::as_ptr(schema) as usize;
        if let Some((_, index)) = self.by_entry.get(&address) {
            return *index;
        }
        let index = self.type_of(&schema.key);
        self.by_entry.insert(address, (Arc::clone(schema), index));
        index
    }

    /// Bytes that wait here.
    pub(super) fn bytes(&self) -> usize {
        self.atomic.bytes.len()
            + self
                .types
                .iter()
                .map(|buffer| buffer.bytes.len())
                .sum::<usize>()
    }

    /// Hands all rows to the part files.
    ///
    /// # Errors
    /// When a part file cannot be written.
    pub(super) fn hand_over(&mut self) -> Result<()> {
        hand_over(self.output, &mut self.atomic, Ending::Text, false)?;
        let many = self.types.len() > 64;
        for buffer in &mut self.types {
            self.shredded += buffer.rows;
            hand_over(self.output, buffer, Ending::ShreddedType, many)?;
        }
        Ok(())
    }
}

fn hand_over(output: &JobOutput, buffer: &mut Buffer, ending: Ending, many: bool) -> Result<()> {
    if buffer.rows == 0 {
        return Ok(());
    }
    let writer = match &buffer.writer {
        Some(writer) => writer,
        None => buffer
            .writer
            .insert(output.writer(GOOD, &buffer.folder, ending)?),
    };
    writer.append(&buffer.bytes, buffer.rows)?;
    buffer.rows = 0;
    if many && buffer.bytes.capacity() > KEPT_CAPACITY {
        buffer.bytes = Vec::new();
    } else {
        buffer.bytes.clear();
    }
    Ok(())
}

impl ShreddedRows for RowBuffers<'_> {
    fn row(&mut self, kind: RowKind<'_>) -> &mut Vec<u8> {
        let buffer = match kind {
            RowKind::Atomic => &mut self.atomic,
            RowKind::Schema(schema) => {
                let index = self.type_of_entry(schema);
                &mut self.types[index]
            }
            RowKind::Key(key) => {
                let index = self.type_of(key);
                &mut self.types[index]
            }
        };
        buffer.rows += 1;
        &mut buffer.bytes
    }
}
