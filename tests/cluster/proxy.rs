//! Stands between a worker and its driver, and breaks a connection at the worst moment: when a message was sent and has not
//! arrived.

#![allow(unreachable_pub)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Lost {
    Nothing,
    /// An answer of the driver that holds a task.
    Task,
    /// A request of the worker that tells how a task ended.
    Status,
}

impl Lost {
    /// Bytes that such a message has at least; messages without are smaller.
    fn least(self) -> usize {
        match self {
            Self::Nothing => usize::MAX,
            Self::Task => 1500,
            Self::Status => 400,
        }
    }
}

/// A proxy; its threads end with the test.
pub struct Proxy {
    pub port: u16,
    next: Arc<AtomicU8>,
}

impl Proxy {
    /// Forwards connections to a port.
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let next = Arc::new(AtomicU8::new(Lost::Nothing as u8));
        let shared = Arc::clone(&next);
        std::thread::spawn(move || {
            for worker in listener.incoming().flatten() {
                // without a driver there is no connection
                let Ok(driver) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                forward(&worker, &driver, Lost::Status, &shared);
                forward(&driver, &worker, Lost::Task, &shared);
            }
        });
        Self { port, next }
    }

    /// Loses the next message of a kind, and the connection with it.
    pub fn lose(&self, what: Lost) {
        self.next.store(what as u8, Ordering::SeqCst);
    }

    /// Whether the message is lost.
    pub fn has_lost(&self) -> bool {
        self.next.load(Ordering::SeqCst) == Lost::Nothing as u8
    }
}

fn forward(from: &TcpStream, to: &TcpStream, loses: Lost, next: &Arc<AtomicU8>) {
    let (mut from, mut to) = (
        from.try_clone().expect("a socket"),
        to.try_clone().expect("a socket"),
    );
    let next = Arc::clone(next);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 256 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let is_lost = count >= loses.least()
                && next
                    .compare_exchange(
                        loses as u8,
                        Lost::Nothing as u8,
                        Ordering::SeqCst,
                        Ordering::SeqCst,
                    )
                    .is_ok();
            if is_lost || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
