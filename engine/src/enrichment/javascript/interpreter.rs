//! QuickJS, one for each worker thread: runs a script on an event.
//!
//! Each event finds a fresh global scope, as in the reference. A script that provably leaves nothing
//! behind ([`Tokens::is_contained`](super::tokens::Tokens::is_contained)) gets it cheaply: its text is a
//! function that is called for every event in one context, which is thrown away when a global variable
//! appears. Any other script gets a context of its own for every event.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{
    CaughtError, Coerced, Context, Ctx, FromJs, Function, IntoJs, Object, Persistent, Runtime,
    Value,
};

use crate::enrichment::environment::ScriptLimits;
use crate::event::{EnrichedEvent, FIELD_COUNT, Field, FieldKind};
use crate::text::java_number;

const PRELUDE: &str = include_str!("prelude.js");
/// Opens the function that a contained script becomes; on the script's first line, so that line numbers stay.
const OPEN: &str = "(function($snowplow31337In){";
const CLOSE: &str = "\n;return JSON.stringify(process($snowplow31337In));})";
/// What is run after any other script.
const CALL: &str = "$snowplow31337Out = JSON.stringify(process($snowplow31337In));";
/// Stack of the interpreter; the threads of the workers have 2 MiB.
const STACK_BYTES: usize = 512 << 10;
/// Longest text of an exception.
const MAX_TEXT: usize = 4096;

/// Everything of ECMAScript. Promises are there since parts of the rest need them; what a script leaves waiting is thrown away.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

/// A compiled script's text and what is known of it.
#[derive(Debug)]
pub(super) struct Script {
    /// The text.
    pub(super) text: String,
    /// Whether it can leave nothing but global variables behind.
    pub(super) is_contained: bool,
    /// What one call may use.
    pub(super) limits: ScriptLimits,
}

/// The event that a script works on.
#[derive(Debug, Default)]
pub(super) struct ScriptEvent {
    /// The columns.
    pub(super) event: EnrichedEvent,
    /// Column `pii`, which the TSV does not have.
    pub(super) pii: Option<String>,
}

/// What the interpreter and the functions that it calls share.
struct Shared {
    event: RefCell<ScriptEvent>,
    deadline: Cell<Instant>,
    timed_out: Cell<bool>,
}

/// An interpreter of one thread.
pub(super) struct Interpreter {
    shared: Rc<Shared>,
    // dropped in this order: what lives in a context, the context, the runtime
    prepared: Option<Prepared>,
    runtime: Runtime,
}

/// A context that can be used again.
struct Prepared {
    run: Persistent<Function<'static>>,
    new_event: Persistent<Function<'static>>,
    globals: Persistent<Function<'static>>,
    global_count: usize,
    context: Context,
}

impl Interpreter {
    /// Starts an interpreter.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(limits: ScriptLimits) -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|e| e.to_string())?;
        runtime.set_memory_limit(limits.memory);
        runtime.set_max_stack_size(STACK_BYTES);
        let shared = Rc::new(Shared {
            event: RefCell::default(),
            deadline: Cell::new(Instant::now()),
            timed_out: Cell::new(false),
        });
        let seen = Rc::clone(&shared);
        runtime.set_interrupt_handler(Some(Box::new(move || {
            let over = Instant::now() >= seen.deadline.get();
            if over {
                seen.timed_out.set(true);
            }
            over
        })));
        Ok(Self {
            shared,
            prepared: None,
            runtime,
        })
    }

    /// Checks that a script can be compiled; it is not run.
    ///
    /// # Errors
    /// The exception's text, with the line.
    pub(super) fn compile(&mut self, script: &Script) -> Result<(), String> {
        self.arm(script.limits);
        let context = self.context()?;
        context.with(|ctx| {
            // the whole is compiled before its first statement ends it
            let source = format!("throw 0;{}", script.text);
            match evaluate::<Value<'_>>(&ctx, &source) {
                Ok(_) => Ok(()),
                Err(error) => match CaughtError::from_error(&ctx, error) {
                    // compiled, and ended by the first statement
                    CaughtError::Value(_) => Ok(()),
                    other => Err(text_of(&ctx, other)),
                },
            }
        })
    }

    /// Runs the script on an event and gives the JSON text of what it returned; `None` for `undefined`.
    ///
    /// # Errors
    /// The exception's text. The event may be changed all the same.
    pub(super) fn run(
        &mut self,
        script: &Script,
        event: &mut ScriptEvent,
    ) -> Result<Option<String>, String> {
        self.arm(script.limits);
        self.shared.event.replace(std::mem::take(event));
        let result = if script.is_contained {
            self.run_contained(script)
        } else {
            self.run_apart(script)
        };
        *event = self.shared.event.take();
        if result.is_err() || self.runtime.is_job_pending() {
            self.prepared = None;
        }
        match result {
            Err(_) if self.shared.timed_out.get() => Err(format!(
                "the time limit of {} ms was exceeded",
                script.limits.time_ms
            )),
            result => result,
        }
    }

    /// Whether the interpreter is in a state that the next event can use.
    pub(super) fn is_sound(&self) -> bool {
        !self.runtime.is_job_pending()
    }

    fn arm(&self, limits: ScriptLimits) {
        let limit = Duration::from_millis(limits.time_ms);
        self.shared.deadline.set(Instant::now() + limit);
        self.shared.timed_out.set(false);
    }

    fn context(&self) -> Result<Context, String> {
        Context::custom::<Intrinsics>(&self.runtime).map_err(|e| e.to_string())
    }

    fn run_contained(&mut self, script: &Script) -> Result<Option<String>, String> {
        if self.prepared.is_none() {
            self.prepared = Some(self.prepare(script)?);
        }
        let Some(prepared) = &self.prepared else {
            return Err("the interpreter has no context".into());
        };
        let (result, is_clean) = prepared.context.with(|ctx| {
            let call = || -> rquickjs::Result<Option<String>> {
                let run = prepared.run.clone().restore(&ctx)?;
                let new_event = prepared.new_event.clone().restore(&ctx)?;
                let event: Object<'_> = new_event.call(())?;
                json_text(run.call((event,))?)
            };
            let result = call().map_err(|error| {
                let caught = CaughtError::from_error(&ctx, error);
                text_of(&ctx, caught)
            });
            let count = prepared
                .globals
                .clone()
                .restore(&ctx)
                .and_then(|globals| globals.call::<_, usize>(()));
            (
                result,
                count.is_ok_and(|count| count == prepared.global_count),
            )
        });
        if !is_clean {
            self.prepared = None;
        }
        result
    }

    fn prepare(&self, script: &Script) -> Result<Prepared, String> {
        let context = self.context()?;
        let source = format!("{OPEN}{}{CLOSE}", script.text);
        let parts = context.with(|ctx| {
            let make = || -> rquickjs::Result<_> {
                let prelude = self.prelude(&ctx)?;
                prelude
                    .get::<_, Function<'_>>("contain")?
                    .call::<_, ()>(())?;
                let globals: Function<'_> = prelude.get("globals")?;
                let new_event: Function<'_> = prelude.get("event")?;
                let run: Function<'_> = evaluate(&ctx, &source)?;
                let count: usize = globals.call(())?;
                Ok((
                    Persistent::save(&ctx, run),
                    Persistent::save(&ctx, new_event),
                    Persistent::save(&ctx, globals),
                    count,
                ))
            };
            make().map_err(|error| {
                let caught = CaughtError::from_error(&ctx, error);
                text_of(&ctx, caught)
            })
        });
        let (run, new_event, globals, global_count) = parts?;
        Ok(Prepared {
            run,
            new_event,
            globals,
            global_count,
            context,
        })
    }

    fn run_apart(&self, script: &Script) -> Result<Option<String>, String> {
        self.context()?.with(|ctx| {
            let call = || -> rquickjs::Result<Option<String>> {
                let prelude = self.prelude(&ctx)?;
                let event: Object<'_> = prelude.get::<_, Function<'_>>("event")?.call(())?;
                ctx.globals().set("$snowplow31337In", event)?;
                evaluate::<Value<'_>>(&ctx, &script.text)?;
                json_text(evaluate(&ctx, CALL)?)
            };
            call().map_err(|error| {
                let caught = CaughtError::from_error(&ctx, error);
                text_of(&ctx, caught)
            })
        })
    }

    /// Evaluates the prelude with the functions that reach the event.
    fn prelude<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
        let make: Function<'js> = evaluate_as(ctx, PRELUDE, "prelude")?;
        let shared = Rc::clone(&self.shared);
        let get = Function::new(ctx.clone(), move |index: usize| {
            shared.event.borrow().read(index)
        })?;
        let shared = Rc::clone(&self.shared);
        let set_text = Function::new(ctx.clone(), move |index: usize, text: String| {
            shared.event.borrow_mut().write(index, Some(&text));
        })?;
        let shared = Rc::clone(&self.shared);
        let set_number = Function::new(ctx.clone(), move |index: usize, number: f64| {
            shared.event.borrow_mut().write_number(index, number);
        })?;
        let shared = Rc::clone(&self.shared);
        let clear = Function::new(ctx.clone(), move |index: usize| {
            shared.event.borrow_mut().write(index, None);
        })?;
        let names: Vec<&str> = Field::ALL
            .iter()
            .map(|field| field.name())
            .chain(["pii"])
            .collect();
        let kinds: String = Field::ALL
            .iter()
            .map(|field| match field.kind() {
                FieldKind::Text | FieldKind::Json => 'T',
                FieldKind::Integer => 'I',
                FieldKind::Flag => 'B',
                FieldKind::Float => 'F',
            })
            .chain(['T'])
            .collect();
        make.call((get, set_text, set_number, clear, names, kinds))
    }
}

impl std::fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interpreter")
    }
}

/// A column's value as the interpreter takes it.
enum Scalar {
    Null,
    Text(String),
    Number(f64),
}

impl<'js> IntoJs<'js> for Scalar {
    fn into_js(self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        match self {
            Self::Null => Ok(Value::new_null(ctx.clone())),
            Self::Text(text) => text.into_js(ctx),
            Self::Number(number) => number.into_js(ctx),
        }
    }
}

impl ScriptEvent {
    fn read(&self, index: usize) -> Scalar {
        let (value, kind) = match Field::ALL.get(index) {
            Some(field) => (self.event.get(*field), field.kind()),
            None => (self.pii.as_deref(), FieldKind::Text),
        };
        let Some(value) = value else {
            return Scalar::Null;
        };
        match kind {
            FieldKind::Text | FieldKind::Json => Scalar::Text(value.to_owned()),
            FieldKind::Integer | FieldKind::Flag => {
                value.parse().map_or(Scalar::Null, Scalar::Number)
            }
            // a float becomes a double without rounding
            FieldKind::Float => value
                .parse::<f32>()
                .map_or(Scalar::Null, |number| Scalar::Number(f64::from(number))),
        }
    }

    fn write(&mut self, index: usize, value: Option<&str>) {
        match Field::ALL.get(index) {
            Some(field) => self.event.set_or_clear(*field, value),
            None if index == FIELD_COUNT => self.pii = value.map(str::to_owned),
            None => {}
        }
    }

    fn write_number(&mut self, index: usize, number: f64) {
        let is_float = Field::ALL
            .get(index)
            .is_some_and(|field| field.kind() == FieldKind::Float);
        let text = if is_float {
            java_number::float_to_string(number as f32)
        } else {
            // the prelude has truncated it and checked its range
            format!("{}", number as i64)
        };
        self.write(index, Some(&text));
    }
}

fn evaluate<'js, V: FromJs<'js>>(ctx: &Ctx<'js>, source: &str) -> rquickjs::Result<V> {
    evaluate_as(ctx, source, "script")
}

fn evaluate_as<'js, V: FromJs<'js>>(
    ctx: &Ctx<'js>,
    source: &str,
    file: &str,
) -> rquickjs::Result<V> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file.into());
    ctx.eval_with_options(source, options)
}

/// The text of a JSON; `undefined` has none.
fn json_text(value: Value<'_>) -> rquickjs::Result<Option<String>> {
    match value.as_string() {
        Some(text) => text.to_string().map(Some),
        None => Ok(None),
    }
}

/// What an exception says: message and place of an error, or the text of any other value.
fn text_of<'js>(ctx: &Ctx<'js>, caught: CaughtError<'js>) -> String {
    let mut text = match caught {
        CaughtError::Error(error) => error.to_string(),
        CaughtError::Exception(exception) => {
            let name: Option<String> = exception.as_object().get("name").ok();
            let message = exception.message().unwrap_or_default();
            let place = exception.stack().and_then(|stack| {
                // the innermost place that is the user's
                let mut lines = stack.lines();
                let place = lines.find_map(|line| Some(line.split_once("script:")?.1))?;
                let line: String = place.chars().take_while(char::is_ascii_digit).collect();
                (!line.is_empty()).then(|| format!(" (line {line})"))
            });
            let name = name.unwrap_or_else(|| "Error".into());
            format!("{name}: {message}{}", place.unwrap_or_default())
        }
        // a hostile value may throw again when it is asked for its text
        CaughtError::Value(value) => value
            .get::<Coerced<String>>()
            .map_or_else(|_| "a value without a text".into(), |text| text.0),
    };
    // what that left behind does not concern the next event
    let _ = ctx.catch();
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
    }
    text
}
