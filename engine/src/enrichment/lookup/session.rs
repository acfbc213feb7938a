//! The questions and answers of the records of one chunk.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use super::{AnyAnswer, AnyService, Inner};
use crate::enrichment::failures::Interrupt;
use crate::error::{Error, Result};
use crate::store::runtime;

/// The questions and answers of one chunk of one worker.
#[derive(Default)]
pub struct Session {
    state: Arc<Mutex<State>>,
}

/// By service; there are few.
#[derive(Default)]
struct State {
    services: Vec<OfService>,
}

struct OfService {
    id: u64,
    service: Arc<dyn AnyService>,
    answers: HashMap<Box<str>, AnyAnswer>,
    /// Questions to be asked, by their keys.
    open: HashMap<Box<str>, String>,
    /// Look-ups of the present record that had an answer.
    look_ups: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// The answer that is there, or `Pending`, and the question is noted.
    pub(super) fn look_up<A: Clone + Send + Sync + 'static>(
        &self,
        service: &Arc<Inner<A>>,
        key: &str,
        question: &str,
    ) -> std::result::Result<A, Interrupt> {
        let mut state = lock(&self.state);
        let of = state.of(service);
        let known = of.answers.get(key).and_then(|any| any.downcast_ref::<A>());
        if let Some(answer) = known.cloned().or_else(|| service.cache.get(key)) {
            of.look_ups += 1;
            return Ok(answer);
        }
        if !of.open.contains_key(key) {
            of.open.insert(key.into(), question.to_owned());
        }
        Err(Interrupt::Pending)
    }

    /// Whether questions are open.
    pub fn has_questions(&self) -> bool {
        let state = lock(&self.state);
        state.services.iter().any(|of| !of.open.is_empty())
    }

    /// The look-ups since the last call belong to a record that is finished, and are counted; or to
    /// one that will be enriched anew, and are not.
    pub fn settle(&self, is_finished: bool) {
        for of in &mut lock(&self.state).services {
            let look_ups = std::mem::take(&mut of.look_ups);
            if is_finished && look_ups > 0 {
                of.service.count(look_ups);
            }
        }
    }

    /// Forgets everything, for another chunk.
    pub fn clear(&mut self) {
        let is_used = !lock(&self.state).services.is_empty();
        if is_used {
            // a question that is still being asked answers to the old one
            self.state = Arc::default();
        }
    }

    /// Asks all open questions, concurrently, and waits for the answers.
    ///
    /// # Errors
    /// `Internal` when asking ended by a panic; `Io` when there are no threads for it.
    pub fn ask_all(&self) -> Result<()> {
        let mut in_flight = self.start()?;
        while !in_flight.wait(Duration::from_secs(1))? {}
        Ok(())
    }

    /// Begins to ask all open questions, concurrently. The answers come into this session.
    ///
    /// # Errors
    /// `Io` when there are no threads for it.
    pub fn start(&self) -> Result<InFlight> {
        let mut open = Vec::new();
        for of in &mut lock(&self.state).services {
            for (key, question) in of.open.drain() {
                open.push((of.id, Arc::clone(&of.service), key, question));
            }
        }
        let (sender, done) = sync_channel(1);
        let state = Arc::clone(&self.state);
        let task = runtime::runtime()?.spawn(async move {
            // dropped with this task, and then nothing more is asked
            let mut asking = JoinSet::new();
            for (id, service, key, question) in open {
                let answer = service.answer(&key, question);
                asking.spawn(async move { (id, key, answer.await) });
            }
            while let Some(joined) = asking.join_next().await {
                // a panic: the sender is dropped, and who waits is told
                let Ok((id, key, answer)) = joined else {
                    return;
                };
                let mut state = lock(&state);
                if let Some(of) = state.services.iter_mut().find(|of| of.id == id) {
                    of.answers.insert(key, answer);
                }
            }
            // the receiver is gone if nobody waits any more
            let _ = sender.send(());
        });
        Ok(InFlight {
            done,
            is_done: false,
            abort: task.abort_handle(),
        })
    }
}

impl State {
    fn of<A: Clone + Send + Sync + 'static>(&mut self, service: &Arc<Inner<A>>) -> &mut OfService {
        let found = self.services.iter().position(|of| of.id == service.id);
        let index = found.unwrap_or_else(|| {
            self.services.push(OfService {
                id: service.id,
                service: Arc::clone(service) as Arc<dyn AnyService>,
                answers: HashMap::new(),
                open: HashMap::new(),
                look_ups: 0,
            });
            self.services.len() - 1
        });
        &mut self.services[index]
    }
}

/// Questions of a session that are being asked. Dropping it gives them up.
#[derive(Debug)]
pub struct InFlight {
    done: Receiver<()>,
    is_done: bool,
    abort: AbortHandle,
}

impl InFlight {
    /// Waits until all answers are there, at most for `longest`; whether they are.
    ///
    /// # Errors
    /// `Internal` when asking ended by a panic.
    pub fn wait(&mut self, longest: Duration) -> Result<bool> {
        if !self.is_done {
            match self.done.recv_timeout(longest) {
                Ok(()) => self.is_done = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::internal(
                        "a question to a service ended without an answer",
                    ));
                }
            }
        }
        Ok(self.is_done)
    }

    /// Whether all answers are there.
    ///
    /// # Errors
    /// `Internal` when asking ended by a panic.
    pub fn is_done(&mut self) -> Result<bool> {
        self.wait(Duration::ZERO)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
