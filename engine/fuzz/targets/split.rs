//! An object that is cut into splits has the records of the whole object, at the same places, or the splits do not meet.
//!
//! Byte 1: plain text or a lzop container (bit 0), framing (1). Byte 2: size of the container's blocks. Byte 3: size of
//! chunks. Byte 4: stored bytes of a split.
#![no_main]

use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use checks::{Read, lzop_stored, object};
use engine::exec::progress::Silent;
use engine::exec::{self, Options};
use engine::input::{Chunk, Framing, Limits, Snapshot};
use engine::store::ObjectEntry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, block, chunk, split], rest)) = data.split_first_chunk() else {
        return;
    };
    let framing = if mode & 2 == 0 {
        Framing::Thrift
    } else {
        Framing::Lines
    };
    let (name, stored, index) = if mode & 1 == 0 && framing == Framing::Lines {
        ("a", rest.to_vec(), None)
    } else {
        let (stored, index) = lzop_stored(rest, usize::from(block) + 1);
        let index: Vec<u8> = index.into_iter().flat_map(u64::to_be_bytes).collect();
        ("a.lzo", stored, Some(index))
    };
    let mut object = object(name, &stored);
    object.index = index
        .as_ref()
        .map(|index| checks::object("index", index).entry);
    let snapshot = Snapshot {
        total_bytes: object.entry.size,
        objects: vec![object],
    };
    let stored = Arc::new((stored, index.unwrap_or_default()));
    let open = move |entry: &ObjectEntry, range: Range<u64>| {
        let bytes = match entry.relative.as_str() {
            "index" => &stored.1,
            _ => &stored.0,
        };
        let bytes = bytes[range.start as usize..range.end as usize].to_vec();
        Ok(Box::new(Cursor::new(bytes)) as Box<dyn std::io::Read + Send>)
    };
    let run = |workers| {
        let options = Options {
            workers,
            limits: Limits {
                chunk_bytes: usize::from(chunk) + 1,
                record_bytes: 4096,
            },
            split_bytes: u64::from(split) + 1,
            ..Options::default()
        };
        let add = |chunks: &mut Vec<Chunk>, chunk: &mut Chunk| {
            chunks.push(chunk.clone());
            Ok(())
        };
        let new = |_| Ok(Vec::new());
        let outcome = exec::run(
            &snapshot,
            framing,
            &options,
            &Silent::default(),
            &open,
            new,
            add,
        )?;
        assert_eq!(outcome.stored_bytes, snapshot.total_bytes);
        let mut chunks = outcome.workers.concat();
        chunks.sort_by_key(|chunk| chunk.offset);
        let mut read = Read::new();
        chunks.iter_mut().for_each(|chunk| read.chunk(chunk));
        Ok::<_, engine::Error>(read)
    };
    match (run(1), run(2)) {
        (Ok(whole), Ok(parts)) => assert_eq!(whole, parts),
        (Ok(_), Err(error)) => {
            let text = error.to_string();
            assert!(
                text.contains("do not meet") || text.contains("too many block markers"),
                "{text}"
            );
        }
        // what is damaged for one reader is so for several, if it is looked at before the first failure ends all
        (Err(_), result) => assert!(result.is_err()),
    }
});
