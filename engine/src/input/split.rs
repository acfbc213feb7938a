//! Splits: parts of large objects that several readers read at the same time.
//!
//! In: an object of a snapshot, and how large its parts should be. Out: [`Split`]s. Plain text can be cut anywhere; a lzop
//! object between its blocks, where the index of hadoop-lzo (`<name>.lzo.index`) says that they begin; anything else is
//! read in one piece, as is a lzop object whose index is missing or wrong (which is logged). Which records belong to a
//! split is for the framing ([`lines`](super::lines), [`blocks`](super::blocks)) to say, by offsets in the decompressed
//! object. So the records and their places are those of the whole object, wherever it is cut.
//!
//! Where splits meet is checked (`check_seams`): a split of binary blocks begins at a marker, and a record may hold what
//! looks like one. The reference would read such records as events of their own, in silence.

mod lzo_index;
mod ranges;

#[cfg(test)]
mod tests;

use std::io::Read;
use std::ops::Range;

use super::chunk::ChunkKind;
use super::snapshot::{InputObject, Snapshot};
use super::{Codec, Framing};
use crate::error::{Error, Result};
use crate::store::{ObjectEntry, Store};

pub(crate) use ranges::RangeReader;

/// Stored bytes of a split: objects are not cut into smaller ones.
pub const SPLIT_BYTES: u64 = 64 << 20;

/// Opens parts of objects. Cheap to clone.
pub trait OpenRange: Clone + Send + Sync + 'static {
    /// The stored bytes `range` of an object, for one sequential read.
    ///
    /// # Errors
    /// When it cannot be opened; `Changed` if it is no longer the one that the entry describes.
    fn open_range(&self, entry: &ObjectEntry, range: Range<u64>) -> Result<Box<dyn Read + Send>>;
}

impl OpenRange for Store {
    fn open_range(&self, entry: &ObjectEntry, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        Self::open_range(self, entry, range.start, range.end)
    }
}

impl<F> OpenRange for F
where
    F: Fn(&ObjectEntry, Range<u64>) -> Result<Box<dyn Read + Send>>,
    F: Clone + Send + Sync + 'static,
{
    fn open_range(&self, entry: &ObjectEntry, range: Range<u64>) -> Result<Box<dyn Read + Send>> {
        self(entry, range)
    }
}

/// What one reader reads: an object or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Which object of the snapshot.
    pub object: u32,
    /// Its stored bytes. More may be read, to the end of the last record.
    pub stored: Range<u64>,
    /// What else there is to know if it is not a whole object.
    pub(crate) part: Option<Part>,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Bytes of the decompressed object; the last part has no end.
    pub(crate) plain: Range<u64>,
    /// How its records lie.
    pub(crate) kind: ChunkKind,
    /// Flags of the lzop header.
    pub(crate) lzop_flags: u32,
}

/// A place where an object can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Stored bytes before it.
    pub(crate) stored: u64,
    /// Decompressed bytes before it.
    pub(crate) plain: u64,
}

impl Split {
    /// A whole object.
    pub fn whole(object: u32, size: u64) -> Self {
        Self {
            object,
            stored: 0..size,
            part: None,
        }
    }

    /// The parts of an object of `size` stored bytes that is cut at `cuts`, which go up.
    pub(crate) fn parts(
        object: u32,
        size: u64,
        cuts: &[Cut],
        kind: ChunkKind,
        lzop_flags: u32,
    ) -> Vec<Self> {
        let start = Cut {
            stored: 0,
            plain: 0,
        };
        let end = Cut {
            stored: size,
            plain: u64::MAX,
        };
        let starts = std::iter::once(&start).chain(cuts);
        let ends = cuts.iter().chain([&end]);
        let part = |(start, end): (&Cut, &Cut)| Self {
            object,
            stored: start.stored..end.stored,
            part: Some(Part {
                plain: start.plain..end.plain,
                kind,
                lzop_flags,
            }),
        };
        starts.zip(ends).map(part).collect()
    }
}

/// How large the splits of a snapshot should be, in stored bytes: some for each of the readers, but not too small.
pub fn split_bytes(snapshot: &Snapshot, readers: usize, least: u64) -> u64 {
    if readers < 2 {
        return u64::MAX;
    }
    // the last splits of a job should be small enough for all readers to be done at nearly the same time
    (snapshot.total_bytes / (4 * readers as u64)).max(least)
}

/// Cuts object number `index` of a snapshot into splits of about `bytes` stored bytes, if it is much larger and can be cut.
/// Reads the index of a lzop object, and the headers of its blocks. A failure to do so is left for the reading of the object
/// to meet.
pub fn split_object(
    index: u32,
    object: &InputObject,
    framing: Framing,
    bytes: u64,
    store: &impl OpenRange,
) -> Vec<Split> {
    let size = object.entry.size;
    let parts = size.div_ceil(bytes.max(1));
    let wanted = |part: u64| (u128::from(size) * u128::from(part) / u128::from(parts)) as u64;
    let wanted = (1..parts).map(wanted);
    let whole = || vec![Split::whole(index, size)];
    match (object.codec, framing) {
        _ if parts < 2 => whole(),
        (Codec::Plain, Framing::Lines) => {
            let cut = |at| Cut {
                stored: at,
                plain: at,
            };
            let cuts: Vec<_> = wanted.map(cut).collect();
            Split::parts(index, size, &cuts, ChunkKind::Lines, 0)
        }
        (Codec::Lzop, _) => match lzo_index::cuts(object, framing, wanted, store) {
            Ok(Some((cuts, kind, flags))) if !cuts.is_empty() => {
                Split::parts(index, size, &cuts, kind, flags)
            }
            Ok(_) => whole(),
            Err(reason) => {
                tracing::warn!(
                    object = %object.name(),
                    %reason,
                    "the index of a lzop object is left aside: the object is read in one piece"
                );
                whole()
            }
        },
        _ => whole(),
    }
}

/// Where the records of a split that was read to its end begin and end, in bytes of the decompressed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seam {
    /// Where its first record begins, if it has any.
    pub(crate) first: Option<u64>,
    /// Where its last record ends; without records how far it was looked for one.
    pub(crate) end: u64,
}

/// Checks that the splits of each object met: that each began where the one before it ended.
///
/// # Errors
/// `Corrupt` for the first that did not.
pub(crate) fn check_seams(snapshot: &Snapshot, seams: &mut [(Split, Seam)]) -> Result<()> {
    seams.sort_by_key(|(split, _)| (split.object, split.stored.start));
    let mut before: Option<(u32, u64)> = None;
    for (split, seam) in seams.iter() {
        let Some(part) = &split.part else {
            before = None;
            continue;
        };
        let expected = match before {
            Some((object, end)) if object == split.object => end,
            _ => seam.first.unwrap_or(seam.end),
        };
        let meets = match seam.first {
            Some(first) => first == expected,
            // all of it belongs to a record that began before
            None => expected >= part.plain.end.min(seam.end),
        };
        if !meets {
            let object = snapshot.objects.get(split.object as usize);
            return Err(Error::corrupt(
                &object.map(InputObject::name).unwrap_or_default(),
                split.stored.start,
                format_args!(
                    "the splits of the object do not meet at byte {expected} of the decompressed object: it is \
                     damaged, or a record of it imitates a block (--skip-corrupt reads it in one piece)"
                ),
            ));
        }
        before = Some((split.object, seam.first.map_or(expected, |_| seam.end)));
    }
    Ok(())
}
