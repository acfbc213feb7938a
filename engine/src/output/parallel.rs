//! Runs waits (syncs, requests) side by side on a few plain threads.

use crate::error::{Error, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` for the indices `0..count` on up to `threads` threads, in ascending order of their starts; the first
/// error stops the rest.
pub(super) fn each_index(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<()> + Sync,
) -> Result<()> {
    let threads = threads.min(count);
    if threads <= 1 {
        return (0..count).try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let keep = |error: Error| {
        let mut failure = super::pressure::lock(&failure);
        *failure = failure.take().or(Some(error));
        next.store(count, Ordering::Relaxed);
    };
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            if let Err(error) = work(index) {
                keep(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        for handle in handles {
            if handle.join().is_err() {
                keep(Error::internal("a thread of the output panicked"));
            }
        }
    });
    match failure.into_inner() {
        Ok(Some(error)) => Err(error),
        Ok(None) => Ok(()),
        Err(_) => Err(Error::internal("a thread of the output panicked")),
    }
}

/// As [`each_index`], with the results in order.
pub(super) fn map<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let results: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    each_index(count, threads, |index| {
        let result = work(index)?;
        *super::pressure::lock(&results[index]) = Some(result);
        Ok(())
    })?;
    results
        .into_iter()
        .map(|result| {
            result
                .into_inner()
                .ok()
                .flatten()
                .ok_or_else(|| Error::internal("a result is missing"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn results_are_in_order_and_errors_stop() {
        for threads in [0, 1, 4, 100] {
            assert_eq!(
                map(50, threads, |i| Ok(i * 2)).unwrap(),
                (0..50).map(|i| i * 2).collect::<Vec<_>>()
            );
            let error = map(50, threads, |i| {
                if i == 7 {
                    Err(Error::config("seven"))
                } else {
                    Ok(i)
                }
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
            assert!(map(0, threads, Ok).unwrap().is_empty());
        }
    }
}
