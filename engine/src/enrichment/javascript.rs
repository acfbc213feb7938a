//! Enrichment `javascript_script_config`: a script of the user reads and changes the event and adds contexts
//! (scala-common-enrich 0.34.0, `JavascriptScriptEnrichment`).
//!
//! In: the event after its JSONs were validated. The script defines `process(event)`, which returns an array of
//! self-describing objects; these become derived contexts as they are. For every column there are `getC()` and `setC(v)`;
//! setters change the event for everything that runs later. An exception is the documented way to reject an event.
//!
//! The interpreter is QuickJS in sloppy mode instead of Rhino 1.7R4. Texts of the event behave as Rhino's wrapped Java
//! strings do (`prelude.js`). Java's packages, `for each` and E4X cannot be had: a script that uses them is refused at
//! start, with the line. Time and memory of a call are [limited](super::environment::ScriptLimits); the reference has no
//! limits. The texts of exceptions are the interpreter's own.

mod interpreter;
mod tokens;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::json::{self, Value};
use crate::text::base64;

use super::config::EnrichmentConfig;
use super::draft::Draft;
use super::environment::{Environment, ScriptLimits};
use super::failures::{FailureStep, Interrupt};
use super::registry::{Enrichment, Stage};
use interpreter::{Interpreter, Script, ScriptEvent};
use tokens::Tokens;

/// The enrichment.
#[derive(Debug)]
pub struct JavascriptScript {
    /// Tells the scripts of one process apart.
    number: u64,
    script: Script,
}

thread_local! {
    /// The interpreters of this thread, by script.
    static INTERPRETERS: RefCell<HashMap<u64, Interpreter>> = RefCell::default();
}

/// Makes the enrichment.
///
/// # Errors
/// When the script cannot be decoded or compiled, or uses what cannot be had.
pub fn build(
    config: &EnrichmentConfig,
    environment: &Environment,
) -> Result<Box<dyn Enrichment>, Vec<String>> {
    let encoded = config
        .text(&["parameters", "script"])
        .map_err(|text| vec![text])?;
    let text = base64::decode_field("script", Some(encoded)).map_err(|text| vec![text])?;
    let enrichment =
        JavascriptScript::compile(&text, environment.script_limits).map_err(|text| vec![text])?;
    Ok(Box::new(enrichment))
}

impl JavascriptScript {
    /// Compiles a script.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn compile(text: &str, limits: ScriptLimits) -> Result<Self, String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let tokens = Tokens::of(text);
        if let Some((line, name)) = tokens.unavailable() {
            return Err(format!(
                "Error compiling JavaScript script: [line {line}: `{name}` is of Rhino and Java, which this engine does not have: \
                 write it in plain JavaScript]"
            ));
        }
        let script = Script {
            text: text.to_owned(),
            is_contained: tokens.is_contained(),
            limits,
        };
        Interpreter::start(limits)
            .and_then(|mut interpreter| interpreter.compile(&script))
            .map_err(|exception| format!("Error compiling JavaScript script: [{exception}]"))?;
        Ok(Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            script,
        })
    }

    /// The text of the script.
    pub fn text(&self) -> &str {
        &self.script.text
    }

    /// Runs the script; gives the JSON text of its result.
    fn run(&self, event: &mut ScriptEvent) -> Result<Option<String>, String> {
        INTERPRETERS.with_borrow_mut(|interpreters| {
            let mut interpreter = match interpreters.remove(&self.number) {
                Some(interpreter) => interpreter,
                None => Interpreter::start(self.script.limits)?,
            };
            let result = interpreter.run(&self.script, event);
            // after a failure the heap may be full or the run cut short: the next event starts anew
            if result.is_ok() && interpreter.is_sound() {
                interpreters.insert(self.number, interpreter);
            }
            result
        })
    }
}

impl Enrichment for JavascriptScript {
    fn apply(&self, draft: &mut Draft<'_>) -> Result<(), Interrupt> {
        let mut event = ScriptEvent {
            event: std::mem::take(&mut draft.event),
            pii: draft.pii.take(),
        };
        let result = self.run(&mut event);
        draft.event = event.event;
        draft.pii = event.pii;
        match result
            .map_err(|exception| {
                format!("Evaluating JavaScript script threw an exception: [{exception}]")
            })
            .and_then(|text| contexts(text.as_deref()))
        {
            Ok(contexts) => {
                for context in contexts {
                    draft.derived_contexts.push(Stage::Javascript, context);
                }
            }
            Err(text) => draft.failures.push(FailureStep::Javascript, text),
        }
        Ok(())
    }
}

/// The contexts in the JSON text of a script's result.
fn contexts(text: Option<&str>) -> Result<Vec<Value<'static>>, String> {
    let no_objects = |what: &str| {
        format!("Could not convert object returned from JavaScript script to JValue AST: [{what}]")
    };
    let Some(text) = text else {
        return Err(no_objects("undefined"));
    };
    match json::parse(text) {
        // the reference looks at the first element only, and attaches the others whatever they are
        Ok(Some(Value::Array(elements))) => match elements.first() {
            Some(first) if first.as_object().is_none() => {
                Err(no_objects(&format!("{} is no object", first.to_compact())))
            }
            _ => Ok(elements.into_iter().map(Value::into_owned).collect()),
        },
        Ok(Some(_)) => Err(format!(
            "JavaScript script must return an Array; got [{text}]"
        )),
        Ok(None) => Err(no_objects("nothing")),
        Err(error) => Err(no_objects(&format!("{error:?}"))),
    }
}

#[cfg(test)]
mod tests;
