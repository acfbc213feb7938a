//! The reader proper: white space, arrays, objects. It keeps its own stack, so depth costs no
//! machine stack, and collects the members of all open containers in two vectors, so that each
//! finished container is allocated once and in its final size.

use std::borrow::Cow;
use std::collections::HashMap;

use super::MAX_DEPTH;
use super::error::{Container, Inside, Open, ParseError, ParseErrorKind, StringPlace, Wanted};
use super::identifier;
use crate::json::Value;

/// Objects with more members look for equal keys with a hash table.
const FEW_MEMBERS: usize = 16;

type Member<'a> = (Cow<'a, str>, Value<'a>);

/// A text that is being read.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    /// Offset of the next byte.
    pub(super) pos: usize,
    /// See [`ParseError::end_reads`].
    pub(super) end_reads: u8,
    keep_duplicates: bool,
    open: Vec<Frame>,
    /// Elements of all open arrays, outer ones first.
    items: Vec<Value<'a>>,
    /// Members of all open objects, outer ones first; the last one of each may lack its value.
    members: Vec<Member<'a>>,
}

/// An open container.
struct Frame {
    place: Open,
    /// Index of its first element or member.
    base: usize,
}

/// Reads the first value of `text`; `None` when there is only white space.
pub(super) fn read(text: &str, keep_duplicates: bool) -> Result<Option<Value<'_>>, ParseError> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        end_reads: 0,
        keep_duplicates,
        open: Vec::new(),
        items: Vec::new(),
        members: Vec::new(),
    };
    match reader.next_byte() {
        None => Ok(None),
        Some(b']' | b'}') => Err(reader.wrong_close()),
        Some(_) => reader.document().map(Some),
    }
}

impl<'a> Reader<'a> {
    /// Reads the value at the current position.
    fn document(&mut self) -> Result<Value<'a>, ParseError> {
        let mut wanted = Wanted::Value;
        let mut token_at = self.pos;
        loop {
            let mut value = match self.bytes.get(self.pos) {
                Some(b'"') => Value::String(self.string(StringPlace::Value)?),
                Some(b'{') => {
                    self.push(Container::Object, token_at)?;
                    match self.next_byte() {
                        Some(b'"') => {
                            token_at = self.pos;
                            self.name()?;
                            wanted = Wanted::Value;
                            continue;
                        }
                        Some(b'}') => self.pop(),
                        found => return Err(self.no_entry(found, Wanted::Name)),
                    }
                }
                Some(b'[') => {
                    self.push(Container::Array, token_at)?;
                    match self.next_byte() {
                        Some(b']') => self.pop(),
                        found @ (None | Some(b'}')) => {
                            return Err(self.no_entry(found, Wanted::Value));
                        }
                        Some(_) => {
                            token_at = self.pos;
                            wanted = Wanted::Value;
                            continue;
                        }
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal("true", Value::Bool(true))?,
                Some(b'f') => self.literal("false", Value::Bool(false))?,
                Some(b'n') => self.literal("null", Value::Null)?,
                _ => return Err(self.odd_value(wanted)),
            };
            // hand the value to its container, and finished containers to theirs
            loop {
                let Some(frame) = self.open.last() else {
                    return Ok(value);
                };
                match frame.place.container {
                    Container::Array => {
                        self.items.push(value);
                        match self.next_byte() {
                            Some(b',') => {
                                token_at = self.pos;
                                self.pos += 1;
                                if self.next_byte().is_none() {
                                    return Err(self.ended(Inside::Entries(Container::Array)));
                                }
                                wanted = Wanted::Element;
                                break;
                            }
                            Some(b']') => value = self.pop(),
                            found => {
                                return Err(self.no_entry(found, Wanted::Comma(Container::Array)));
                            }
                        }
                    }
                    Container::Object => {
                        if let Some(member) = self.members.last_mut() {
                            member.1 = value;
                        }
                        match self.next_byte() {
                            Some(b',') => {
                                token_at = self.pos;
                                self.pos += 1;
                                match self.next_byte() {
                                    Some(b'"') => self.name()?,
                                    Some(_) => {
                                        return Err(self.unexpected(self.pos, Wanted::Name));
                                    }
                                    None => {
                                        return Err(self.ended(Inside::Entries(Container::Object)));
                                    }
                                }
                                wanted = Wanted::Value;
                                break;
                            }
                            Some(b'}') => value = self.pop(),
                            found => {
                                return Err(self.no_entry(found, Wanted::Comma(Container::Object)));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Skips white space; the byte behind it stays the next one.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.pos)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.pos += 1;
        }
    }

    /// Reads a key and its colon, up to the first byte of the value.
    fn name(&mut self) -> Result<(), ParseError> {
        let name = self.string(StringPlace::Name)?;
        self.members.push((name, Value::Null));
        match self.next_byte() {
            Some(b':') => self.pos += 1,
            Some(_) => return Err(self.unexpected(self.pos, Wanted::Colon)),
            None => return Err(self.ended(Inside::AfterName)),
        }
        match self.next_byte() {
            Some(_) => Ok(()),
            None => Err(self.ended(Inside::AfterName)),
        }
    }

    /// Opens the container whose bracket is at the current position.
    fn push(&mut self, container: Container, token_at: usize) -> Result<(), ParseError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fail(ParseErrorKind::TooDeep, self.pos, 1));
        }
        let place = Open {
            container,
            at: self.pos,
            token_at,
        };
        let base = match container {
            Container::Array => self.items.len(),
            Container::Object => self.members.len(),
        };
        self.open.push(Frame { place, base });
        self.pos += 1;
        Ok(())
    }

    /// Closes the innermost container, whose fitting bracket is at the current position.
    fn pop(&mut self) -> Value<'a> {
        self.pos += 1;
        let Some(Frame { place, base }) = self.open.pop() else {
            return Value::Null;
        };
        match place.container {
            Container::Array => Value::Array(self.items.split_off(base)),
            Container::Object => {
                let members = self.members.split_off(base);
                if !self.keep_duplicates && has_duplicates(&members) {
                    Value::Object(merge_duplicates(members))
                } else {
                    Value::Object(members)
                }
            }
        }
    }

    /// Whether the value that is being read is the document itself.
    pub(super) fn in_root(&self) -> bool {
        self.open.is_empty()
    }

    /// The character at the byte offset `at`.
    pub(super) fn char_at(&self, at: usize) -> char {
        self.text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .unwrap_or('\0')
    }

    /// An error at `offset`.
    #[cold]
    pub(super) fn fail(&self, kind: ParseErrorKind, offset: usize, behind: u8) -> ParseError {
        ParseError {
            kind,
            offset,
            behind,
            end_reads: self.end_reads,
        }
    }

    /// The text ends in the midst of `inside`.
    #[cold]
    pub(super) fn ended(&mut self, inside: Inside) -> ParseError {
        self.end_reads += 1;
        self.fail(ParseErrorKind::EndOfInput { inside }, self.bytes.len(), 0)
    }

    /// The character at `at` is not what is wanted. Between tokens Jackson finds control characters and
    /// comments before it asks what it wants.
    #[cold]
    pub(super) fn unexpected(&self, at: usize, wanted: Wanted) -> ParseError {
        let found = self.char_at(at);
        let between_tokens = !matches!(wanted, Wanted::HexDigit | Wanted::RootSpace);
        let kind = match found {
            '\0'..' ' if between_tokens => ParseErrorKind::IllegalSpace { found },
            '/' if between_tokens => ParseErrorKind::UnexpectedChar {
                found,
                wanted: Wanted::NotComment,
            },
            _ => ParseErrorKind::UnexpectedChar { found, wanted },
        };
        self.fail(kind, at, 1)
    }

    /// Neither an entry nor the close of the innermost container.
    #[cold]
    fn no_entry(&mut self, found: Option<u8>, wanted: Wanted) -> ParseError {
        match (found, self.open.last()) {
            (None, Some(frame)) => self.ended(Inside::Container(frame.place)),
            (Some(b']' | b'}'), _) => self.wrong_close(),
            _ => self.unexpected(self.pos, wanted),
        }
    }

    /// The closing bracket at the current position closes nothing.
    #[cold]
    fn wrong_close(&self) -> ParseError {
        let kind = ParseErrorKind::WrongClose {
            found: self.char_at(self.pos),
            open: self.open.last().map(|frame| frame.place),
        };
        self.fail(kind, self.pos, 1)
    }

    /// No value starts with the character at the current position.
    #[cold]
    fn odd_value(&mut self, wanted: Wanted) -> ParseError {
        let start = self.pos;
        match self.char_at(start) {
            'N' => self.non_standard(start, "NaN"),
            'I' => self.non_standard(start, "Infinity"),
            '+' => self.odd_number(start, start + 1),
            c if identifier::is_start(c) => self.unknown_token(start, start + c.len_utf8(), false),
            _ => self.unexpected(start, wanted),
        }
    }
}

/// Whether two members have the same key.
fn has_duplicates(members: &[Member<'_>]) -> bool {
    if members.len() > FEW_MEMBERS {
        let mut seen = HashMap::with_capacity(members.len());
        return members
            .iter()
            .any(|(key, _)| seen.insert(&**key, ()).is_some());
    }
    members
        .iter()
        .enumerate()
        .any(|(index, (key, _))| members[..index].iter().any(|(other, _)| other == key))
}

/// Gives the first of equal keys the value of the last and drops the others.
#[cold]
fn merge_duplicates(members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    let mut first = HashMap::with_capacity(members.len());
    let targets: Vec<usize> = members
        .iter()
        .map(|(key, _)| {
            let next = first.len();
            *first.entry(key.clone()).or_insert(next)
        })
        .collect();
    let mut merged: Vec<Member<'_>> = Vec::with_capacity(first.len());
    for ((key, value), target) in members.into_iter().zip(targets) {
        match merged.get_mut(target) {
            Some(member) => member.1 = value,
            None => merged.push((key, value)),
        }
    }
    merged
}
