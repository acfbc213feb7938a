//! From a schema document to the table of nodes. Only what can be reached from the root is compiled, references are followed
//! here, and the work is a queue, so that neither depth nor recursion of a schema matters.

use std::collections::{HashMap, HashSet};

use super::formats::is_uri;
use super::meta::meta_schema;
use super::model::{ALL_TYPES, Compiled, Edge, Fatal, Location, LocationId, Node, NodeId};
use super::refs::{self, META_SCHEMA, Reference, append};
use super::rules::{number_rules, string_rules, types};
use super::syntax;
use crate::iglu::message::Message;
use crate::json::Value;

/// Bytes that the pointers of one schema may take.
const MAX_POINTERS: usize = 64 << 20;

/// Checks the syntax of `document` and compiles it.
pub(super) fn compile(document: &Value<'_>) -> Result<Compiled, Vec<Message>> {
    let mut checked = HashSet::new();
    let visited = holds_key(document, "$ref").then_some(&mut checked);
    let errors = syntax::check("#", String::new(), document, visited);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut compiler = Compiler {
        documents: vec![Document::new(String::new(), document)],
        checked,
        nodes: Vec::new(),
        locations: Vec::new(),
        places: HashMap::new(),
        queue: Vec::new(),
        pointer_bytes: 0,
    };
    let root = compiler.edge(Place {
        document: 0,
        pointer: String::new(),
        value: document,
    });
    while let Some((node, place)) = compiler.queue.pop() {
        if compiler.pointer_bytes > MAX_POINTERS {
            return Err(vec![Message::error("schema is too large")]);
        }
        compiler.fill(node, &place);
    }
    let may_throw = compiler.nodes.iter().any(|node| node.fatal.is_some())
        || super::loops::has_loop(&compiler.nodes);
    let alternatives = compiler.nodes.iter().filter_map(|node| node.any.as_ref());
    Ok(Compiled {
        alternatives: alternatives.map(|rules| rules.alternatives() as u64).sum(),
        nodes: compiler.nodes,
        locations: compiler.locations,
        documents: compiler
            .documents
            .into_iter()
            .map(|document| format!("{}#", document.locator))
            .collect(),
        root,
        may_throw,
    })
}

struct Document<'d> {
    locator: String,
    root: &'d Value<'d>,
    has_ids: bool,
}

impl<'d> Document<'d> {
    fn new(locator: String, root: &'d Value<'d>) -> Self {
        Self {
            locator,
            root,
            has_ids: holds_key(root, "id"),
        }
    }
}

/// Whether a member of that name stands anywhere in `value`.
fn holds_key(value: &Value<'_>, key: &str) -> bool {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(members) => {
                for (name, value) in members {
                    if name == key {
                        return true;
                    }
                    pending.push(value);
                }
            }
            _ => {}
        }
    }
    false
}

/// A subschema in a document.
#[derive(Clone)]
pub(super) struct Place<'d> {
    document: usize,
    pointer: String,
    pub(super) value: &'d Value<'d>,
}

pub(super) struct Compiler<'d> {
    documents: Vec<Document<'d>>,
    /// Pointers of the first document at which a checked schema stands.
    checked: HashSet<String>,
    nodes: Vec<Node>,
    locations: Vec<Location>,
    places: HashMap<(usize, String), NodeId>,
    queue: Vec<(NodeId, Place<'d>)>,
    pointer_bytes: usize,
}

impl<'d> Compiler<'d> {
    /// The edge to a subschema, its references followed; new nodes are queued.
    fn edge(&mut self, place: Place<'d>) -> Edge {
        let at = self.location(&place);
        let target = match self.follow(&place) {
            Ok(target) => target,
            Err(message) => {
                let mut node = Node::new(at);
                node.trivial = false;
                node.fatal = Some(Box::new(Fatal::Reference(message)));
                self.nodes.push(node);
                return Edge {
                    node: self.nodes.len() - 1,
                    at,
                };
            }
        };
        let moved = target.document != place.document || target.pointer != place.pointer;
        let key = (target.document, target.pointer.clone());
        if let Some(node) = self.places.get(&key) {
            return Edge { node: *node, at };
        }
        let location = if moved { self.location(&target) } else { at };
        let mut node = Node::new(location);
        let id = self.nodes.len();
        self.places.insert(key, id);
        if moved && target.document == 0 && !self.checked.contains(&target.pointer) {
            let errors = syntax::check(
                "#",
                target.pointer.clone(),
                target.value,
                Some(&mut self.checked),
            );
            if !errors.is_empty() {
                node.trivial = false;
                node.fatal = Some(Box::new(Fatal::Syntax(errors)));
                self.nodes.push(node);
                return Edge { node: id, at };
            }
        }
        self.nodes.push(node);
        self.queue.push((id, target));
        Edge { node: id, at }
    }

    fn location(&mut self, place: &Place<'_>) -> LocationId {
        self.pointer_bytes += place.pointer.len() + 64;
        let base = self.base(place);
        self.locations.push(Location {
            document: place.document,
            pointer: place.pointer.as_str().into(),
            context: (!base.locator.is_empty() || !base.fragment.is_empty())
                .then(|| base.locator.into()),
        });
        self.locations.len() - 1
    }

    /// The base URI at a place: the document's, changed by each `id` on the way.
    fn base(&self, place: &Place<'_>) -> Reference {
        let document = &self.documents[place.document];
        let mut base = Reference::parse(&document.locator);
        if !document.has_ids {
            return base;
        }
        let tokens = Reference {
            locator: String::new(),
            fragment: place.pointer.clone(),
        }
        .tokens()
        .unwrap_or_default();
        let mut value = document.root;
        for depth in 0..=tokens.len() {
            if let Some(id) = value
                .get("id")
                .and_then(Value::as_str)
                .filter(|id| is_uri(id))
            {
                base = base.resolve(&Reference::parse(id));
            }
            match tokens
                .get(depth)
                .and_then(|_| refs::look_up(value, &tokens[depth..=depth]))
            {
                Some(next) => value = next,
                None => break,
            }
        }
        base
    }

    /// Follows `$ref`s to a schema without one.
    fn follow(&mut self, place: &Place<'d>) -> Result<Place<'d>, Message> {
        let mut place = place.clone();
        let mut path: Vec<Reference> = Vec::new();
        loop {
            let Some(text) = place
                .value
                .get("$ref")
                .and_then(Value::as_str)
                .filter(|text| is_uri(text))
            else {
                return Ok(place);
            };
            let reference = self.base(&place).resolve(&Reference::parse(text));
            if path.contains(&reference) {
                let document = format!("{}#", self.documents[place.document].locator);
                return Err(refs::reference_loop(
                    &document,
                    &place.pointer,
                    &reference,
                    &path,
                ));
            }
            if reference.locator != self.documents[place.document].locator {
                let document = self.load(&reference.locator)?;
                place = Place {
                    document,
                    pointer: String::new(),
                    value: self.documents[document].root,
                };
            }
            let found = reference.tokens().and_then(|tokens| {
                let value = refs::look_up(self.documents[place.document].root, &tokens)?;
                let pointer = tokens
                    .iter()
                    .fold(String::new(), |pointer, token| append(&pointer, token));
                Some((value, pointer))
            });
            let Some((value, pointer)) = found else {
                let document = format!("{}#", self.documents[place.document].locator);
                return Err(refs::dangling(&document, &place.pointer, &reference));
            };
            (place.value, place.pointer) = (value, pointer);
            path.push(reference);
        }
    }

    fn load(&mut self, locator: &str) -> Result<usize, Message> {
        // the document at hand has no locator and is never loaded again
        if let Some(known) = self
            .documents
            .iter()
            .skip(1)
            .position(|d| d.locator == locator)
        {
            return Ok(known + 1);
        }
        match meta_schema() {
            Some(root) if locator == META_SCHEMA => {
                self.documents.push(Document::new(locator.to_owned(), root));
                Ok(self.documents.len() - 1)
            }
            _ => Err(refs::unavailable(locator)),
        }
    }

    /// Compiles the keywords of a place into its node.
    fn fill(&mut self, id: NodeId, place: &Place<'d>) {
        let (types, any) = (types(place.value), self.any_rules(place));
        let array = self.array_rules(place);
        let number = number_rules(place.value);
        let object = self.object_rules(place);
        let string = string_rules(place.value);
        let node = &mut self.nodes[id];
        node.types = types;
        node.any = any;
        node.array = array;
        node.number = number;
        node.object = object;
        node.string = string;
        node.trivial = node.types == ALL_TYPES
            && node.any.is_none()
            && node.array.is_none()
            && node.number.is_none()
            && node.object.is_none()
            && node.string.is_none();
    }

    /// The edge to the value of a keyword.
    pub(super) fn below(&mut self, place: &Place<'d>, keyword: &str, value: &'d Value<'d>) -> Edge {
        let pointer = append(&place.pointer, keyword);
        self.edge(Place {
            document: place.document,
            pointer,
            value,
        })
    }

    /// The edge to a part of the value of a keyword.
    pub(super) fn part(
        &mut self,
        place: &Place<'d>,
        keyword: &str,
        token: &str,
        value: &'d Value<'d>,
    ) -> Edge {
        let pointer = append(&append(&place.pointer, keyword), token);
        self.edge(Place {
            document: place.document,
            pointer,
            value,
        })
    }

    pub(super) fn parts(&mut self, place: &Place<'d>, keyword: &str) -> Vec<Edge> {
        let schema = place.value;
        let items = schema
            .get(keyword)
            .and_then(Value::as_array)
            .unwrap_or_default();
        items
            .iter()
            .enumerate()
            .map(|(index, value)| self.part(place, keyword, &index.to_string(), value))
            .collect()
    }
}
