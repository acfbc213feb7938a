//! Records on their way from a task that reads to the buckets: gathered, sealed, counted.

use std::sync::{Mutex, PoisonError};

use super::row::Tally;
use crate::dedup::keys::EventKey;
use crate::error::Result;
use crate::exec::spill::parcel::{Content, Sealer};

/// Plain bytes that gather for one bucket before they are sealed.
const GATHERED_BYTES: usize = 64 << 10;

/// Sealed bytes for a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The bucket.
    pub bucket: u32,
    /// Sealed.
    pub bytes: Vec<u8>,
}

/// Hands a parcel to whoever carries it.
pub(super) type Carry<'c> = dyn Fn(Parcel) -> Result<()> + Sync + 'c;

/// The records of one attempt.
pub(super) struct Shipper<'k> {
    content: Content,
    carry: &'k Carry<'k>,
    inner: Mutex<Inner<'k>>,
}

struct Inner<'k> {
    sealer: Sealer<'k>,
    buckets: Vec<Bucket>,
    /// Sealed bytes that were carried.
    carried: u64,
}

/// What was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shipped {
    /// Records by bucket, where there are any.
    pub(super) tallies: Vec<(u32, Tally)>,
    /// Sealed bytes, without what the carrier puts around them.
    pub(super) bytes: u64,
}

#[derive(Default)]
struct Bucket {
    gathered: Vec<u8>,
    tally: Tally,
}

/// The bucket of a key: by bits that choose no place inside a bucket's tables.
pub(super) fn bucket_of(key: EventKey, buckets: u32) -> u32 {
    let bits = u64::from((key >> 64) as u32);
    ((bits * u64::from(buckets.max(1))) >> 32) as u32
}

impl<'k> Shipper<'k> {
    pub(super) fn new(
        content: Content,
        buckets: u32,
        sealer: Sealer<'k>,
        carry: &'k Carry<'k>,
    ) -> Self {
        Self {
            content,
            carry,
            inner: Mutex::new(Inner {
                sealer,
                buckets: (0..buckets).map(|_| Bucket::default()).collect(),
                carried: 0,
            }),
        }
    }

    /// Sends a record, whose digest is `digest`; `write` appends its bytes.
    pub(super) fn send(
        &self,
        bucket: u32,
        digest: u128,
        write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(&mut inner, bucket, digest, write)
    }

    fn append(
        &self,
        inner: &mut Inner<'_>,
        bucket: u32,
        digest: u128,
        write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let Inner {
            sealer,
            buckets,
            carried,
        } = inner;
        let Some(place) = buckets.get_mut(bucket as usize) else {
            return Ok(());
        };
        write(&mut place.gathered)?;
        place.tally.add(digest);
        if place.gathered.len() >= GATHERED_BYTES {
            let bytes = sealer.seal(self.content, bucket, &place.gathered)?;
            place.gathered.clear();
            *carried += bytes.len() as u64;
            (self.carry)(Parcel { bucket, bytes })?;
        }
        Ok(())
    }

    /// Sends keys, each to its bucket.
    pub(super) fn send_keys(&self, keys: &[EventKey]) -> Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = u32::try_from(inner.buckets.len()).unwrap_or(u32::MAX);
        for &key in keys {
            let bucket = bucket_of(key, buckets);
            self.append(&mut inner, bucket, key, |to| {
                to.extend_from_slice(&key.to_le_bytes());
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Sends what has gathered. Returns what was sent in all.
    pub(super) fn finish(self) -> Result<Shipped> {
        let inner = self.inner.into_inner();
        let Inner {
            mut sealer,
            buckets,
            carried: mut shipped,
        } = inner.unwrap_or_else(PoisonError::into_inner);
        let mut tallies = Vec::new();
        for (bucket, place) in (0..).zip(buckets) {
            if !place.gathered.is_empty() {
                let bytes = sealer.seal(self.content, bucket, &place.gathered)?;
                shipped += bytes.len() as u64;
                (self.carry)(Parcel { bucket, bytes })?;
            }
            if place.tally.records > 0 {
                tallies.push((bucket, place.tally));
            }
        }
        Ok(Shipped {
            tallies,
            bytes: shipped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::spill::parcel::{Attempt, ParcelKey};

    #[test]
    fn keys_are_spread_over_all_buckets() {
        let mut counts = [0; 7];
        for i in 0..7000u128 {
            let key = i.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            counts[bucket_of(key, 7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (700..1300).contains(count)),
            "{counts:?}"
        );
        assert_eq!(bucket_of(u128::MAX, 1), 0);
        assert_eq!(bucket_of(u128::MAX, 64), 63);
    }

    #[test]
    fn parcels_hold_all_records_and_are_counted() {
        let key = ParcelKey::derive(&[7; 32], "job").unwrap();
        let carried = Mutex::new(Vec::new());
        let carry = |parcel| {
            carried.lock().unwrap().push(parcel);
            Ok(())
        };
        let sealer = key.sealer(3, Attempt::random().unwrap());
        let shipper = Shipper::new(Content::Keys, 2, sealer, &carry);
        for record in 0..10_000u32 {
            let write = |to: &mut Vec<u8>| {
                to.extend_from_slice(&[record as u8; 16]);
                Ok(())
            };
            shipper.send(1, u128::from(record), write).unwrap();
        }
        let sent = shipper.finish().unwrap();
        assert_eq!(sent.tallies.len(), 1);
        assert_eq!((sent.tallies[0].0, sent.tallies[0].1.records), (1, 10_000));
        let carried = carried.into_inner().unwrap();
        assert_eq!(carried.len(), 3);
        let bytes: usize = carried.iter().map(|parcel| parcel.bytes.len()).sum();
        assert_eq!(sent.bytes, bytes as u64);
        let plain: usize = carried
            .iter()
            .map(|parcel| key.open(parcel.bucket, &parcel.bytes).unwrap().plain.len())
            .sum();
        assert_eq!(plain, 160_000);
    }
}
