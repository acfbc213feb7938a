//! Adapters: one collector payload becomes one or more raw events.

pub mod raw_event;
