//! One compiled expression of Java, and lists of them that are searched for in one text.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use fancy_regex::RegexBuilder as BacktrackingBuilder;
use hashbrown::HashMap;
use rayon::prelude::*;
use regex::bytes;

use super::java_regex::{Alphabet, Translated, fold, translate};
use super::literals::{self, Pieces};

/// Bytes that one compiled expression may take.
const SIZE_LIMIT: usize = 32 << 20;
/// Bytes that the automaton that grows while an expression is searched for may take, for each thread that searches.
const DFA_SIZE_LIMIT: usize = 1 << 20;
/// Steps that a backtracking search may take in one text.
const BACKTRACK_LIMIT: usize = 200_000;
/// Groups that can be asked for.
const GROUPS: usize = 10;

/// A text to search in.
#[derive(Debug)]
pub(in crate::enrichment) struct Haystack<'t> {
    text: &'t str,
    folded: Cow<'t, [u8]>,
    is_ascii: bool,
}

impl<'t> Haystack<'t> {
    pub(in crate::enrichment) fn new(text: &'t str) -> Self {
        let is_ascii = text.is_ascii();
        let folded = match is_ascii {
            true => Cow::Borrowed(text.as_bytes()),
            false => Cow::Owned(fold(text)),
        };
        Self {
            text,
            folded,
            is_ascii,
        }
    }

    /// The part of the text at these bytes of its folded form.
    fn part(&self, start: usize, end: usize) -> Option<&'t str> {
        if self.is_ascii {
            return self.text.get(start..end);
        }
        // a byte for each character
        let mut bounds = self.text.char_indices().map(|(at, _)| at);
        let from = bounds.nth(start).unwrap_or(self.text.len());
        let part = self.text.get(from..)?;
        let length = part.char_indices().nth(end - start);
        part.get(..length.map_or(part.len(), |(at, _)| at))
    }
}

/// The groups of a match; group 0 is all of it.
#[derive(Debug, Default)]
pub(in crate::enrichment) struct Groups<'t> {
    groups: [Option<&'t str>; GROUPS],
}

impl<'t> Groups<'t> {
    /// The text of a group, `None` where it took no part or is none.
    pub(in crate::enrichment) fn get(&self, group: usize) -> Option<&'t str> {
        self.groups.get(group).copied().flatten()
    }
}

/// A compiled expression.
#[derive(Debug)]
pub(in crate::enrichment) struct Pattern {
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    /// Any folded text will do.
    Folded(bytes::Regex),
    /// Only ASCII can be folded; the other one is compiled when it is needed.
    Whole {
        ascii: bytes::Regex,
        pattern: String,
        whole: OnceLock<Result<regex::Regex, String>>,
    },
    Backtracking(Box<fancy_regex::Regex>),
}

impl Pattern {
    /// Compiles an expression of Java.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(in crate::enrichment) fn compile(source: &str, ignore_case: bool) -> Result<Self, String> {
        let whole = translate(source, ignore_case, Alphabet::Unicode)?;
        // what its errors are found in
        required(&whole)?;
        Self::of(whole, source, ignore_case)
    }

    /// Compiles an expression of Java that was found to be right before.
    fn compile_known(source: &str, ignore_case: bool) -> Result<Self, String> {
        let whole = translate(source, ignore_case, Alphabet::Unicode)?;
        Self::of(whole, source, ignore_case)
    }

    /// Compiles an expression of Java that is already translated as a whole.
    fn of(whole: Translated, source: &str, ignore_case: bool) -> Result<Self, String> {
        if whole.backtracks {
            let regex = BacktrackingBuilder::new(&whole.pattern)
                .backtrack_limit(BACKTRACK_LIMIT)
                .delegate_size_limit(SIZE_LIMIT)
                .delegate_dfa_size_limit(DFA_SIZE_LIMIT)
                .build()
                .map_err(|error| last_line(&error))?;
            return Ok(Self {
                engine: Engine::Backtracking(Box::new(regex)),
            });
        }
        let folded = translate(source, ignore_case, Alphabet::Folded)?;
        let ascii = bytes::RegexBuilder::new(&folded.pattern)
            .unicode(false)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(DFA_SIZE_LIMIT)
            .build()
            .map_err(|error| last_line(&error))?;
        let engine = match folded.is_foldable {
            true => Engine::Folded(ascii),
            false => Engine::Whole {
                ascii,
                pattern: whole.pattern,
                whole: OnceLock::new(),
            },
        };
        Ok(Self { engine })
    }

    /// The first match.
    ///
    /// # Errors
    /// The search took too many steps.
    pub(in crate::enrichment) fn find<'t>(
        &self,
        haystack: &Haystack<'t>,
    ) -> Result<Option<Groups<'t>>, String> {
        let mut groups = Groups::default();
        match &self.engine {
            Engine::Folded(regex) => return Ok(find_folded(regex, haystack)),
            Engine::Whole { ascii, .. } if haystack.is_ascii => {
                return Ok(find_folded(ascii, haystack));
            }
            Engine::Whole { pattern, whole, .. } => {
                let compiled = whole.get_or_init(|| {
                    regex::RegexBuilder::new(pattern)
                        .size_limit(SIZE_LIMIT * 4)
                        .dfa_size_limit(DFA_SIZE_LIMIT)
                        .build()
                        .map_err(|error| last_line(&error))
                });
                let regex = compiled.as_ref().map_err(Clone::clone)?;
                let Some(captures) = regex.captures(haystack.text) else {
                    return Ok(None);
                };
                for (to, group) in groups.groups.iter_mut().zip(captures.iter()) {
                    *to = group.map(|group| group.as_str());
                }
            }
            Engine::Backtracking(regex) => {
                let captures = regex.captures(haystack.text);
                let Some(captures) = captures.map_err(|error| error.to_string())? else {
                    return Ok(None);
                };
                for (to, group) in groups.groups.iter_mut().zip(captures.iter()) {
                    *to = group.map(|group| group.as_str());
                }
            }
        }
        Ok(Some(groups))
    }
}

/// What each match of a translated expression holds.
fn required(whole: &Translated) -> Result<Vec<Pieces>, String> {
    if whole.backtracks {
        return Ok(Vec::new());
    }
    literals::of_pattern(&whole.pattern).map_err(|error| last_line(&error))
}

fn find_folded<'t>(regex: &bytes::Regex, haystack: &Haystack<'t>) -> Option<Groups<'t>> {
    // cheaper than to look for the groups at once where nothing is found
    if !regex.is_match(&haystack.folded) {
        return None;
    }
    let mut groups = Groups::default();
    let captures = regex.captures(&haystack.folded)?;
    for (to, group) in groups.groups.iter_mut().zip(captures.iter()) {
        *to = group.and_then(|group| haystack.part(group.start(), group.end()));
    }
    Some(groups)
}

/// The crates print the expression first, marked, and then what is wrong with it.
fn last_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Expressions in order, of which few are tried on a text: those whose [required pieces](literals) are there.
#[derive(Debug)]
pub(super) struct Patterns {
    patterns: Vec<Listed>,
    pieces: AhoCorasick,
    /// For each piece, the patterns that are tried if it is there.
    tried_if: Vec<Vec<u32>>,
    /// For each pattern, the other sets of which a piece must be there.
    also: Vec<Vec<Vec<u32>>>,
    /// Patterns without pieces are tried always.
    always: Bits,
}

/// An expression of a list, compiled at once or when it is tried for the first time.
#[derive(Debug)]
pub(super) struct Listed {
    source: Box<str>,
    ignore_case: bool,
    compiled: Compiled,
}

type Compiled = OnceLock<Result<Pattern, String>>;

impl Listed {
    /// The first match.
    ///
    /// # Errors
    /// The search took too many steps, or the expression cannot be compiled.
    pub(super) fn find<'t>(&self, haystack: &Haystack<'t>) -> Result<Option<Groups<'t>>, String> {
        let compile = || Pattern::compile_known(&self.source, self.ignore_case);
        let pattern = self.compiled.get_or_init(compile).as_ref();
        pattern.map_err(Clone::clone)?.find(haystack)
    }
}

type Bits = Vec<u64>;

fn bits(count: usize) -> Bits {
    vec![0; count.div_ceil(64)]
}

fn set(bits: &mut Bits, at: usize) -> bool {
    let word = &mut bits[at / 64];
    let is_new = *word & 1 << (at % 64) == 0;
    *word |= 1 << (at % 64);
    is_new
}

fn has(bits: &Bits, at: usize) -> bool {
    bits[at / 64] & 1 << (at % 64) != 0
}

impl Patterns {
    /// Compiles expressions, each with whether case is ignored.
    ///
    /// # Errors
    /// For each that cannot be compiled its index, and why.
    pub(super) fn compile(sources: &[(&str, bool)]) -> Result<Self, Vec<(usize, String)>> {
        Self::of(sources, |source, ignore_case| {
            let whole = translate(source, ignore_case, Alphabet::Unicode)?;
            let required = required(&whole)?;
            let pattern = Pattern::of(whole, source, ignore_case)?;
            Ok((OnceLock::from(Ok(pattern)), required))
        })
    }

    /// Expressions whose required pieces were found before; each is compiled when it is tried for the first time.
    ///
    /// # Errors
    /// The pieces are too many to be searched for.
    pub(super) fn compile_later(
        sources: &[(&str, bool)],
        required: Vec<Vec<Pieces>>,
    ) -> Result<Self, String> {
        if sources.len() != required.len() {
            return Err("the pieces are those of other expressions".to_owned());
        }
        let listed = sources.iter().map(|(source, ignore_case)| Listed {
            source: (*source).into(),
            ignore_case: *ignore_case,
            compiled: OnceLock::new(),
        });
        Self::index(listed.collect(), required)
    }

    fn of(
        sources: &[(&str, bool)],
        read: impl Fn(&str, bool) -> Result<(Compiled, Vec<Pieces>), String> + Sync,
    ) -> Result<Self, Vec<(usize, String)>> {
        let all: Vec<Result<_, String>> = sources
            .par_iter()
            .map(|(source, ignore_case)| read(source, *ignore_case))
            .collect();
        let mut patterns = Vec::with_capacity(all.len());
        let mut required = Vec::with_capacity(all.len());
        let mut failures = Vec::new();
        for (index, (read, (source, ignore_case))) in all.into_iter().zip(sources).enumerate() {
            match read {
                Ok((compiled, sets)) => {
                    patterns.push(Listed {
                        source: (*source).into(),
                        ignore_case: *ignore_case,
                        compiled,
                    });
                    required.push(sets);
                }
                Err(why) => failures.push((index, why)),
            }
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        Self::index(patterns, required).map_err(|why| vec![(0, why)])
    }

    /// `required` holds the sets of pieces of each pattern.
    fn index(patterns: Vec<Listed>, required: Vec<Vec<Pieces>>) -> Result<Self, String> {
        // how many patterns ask for a piece: the rarer, the better
        let mut uses: HashMap<Vec<u8>, usize> = HashMap::new();
        for piece in required.iter().flatten().flatten() {
            *uses.entry(piece.clone()).or_default() += 1;
        }
        let mut ids: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut id_of = |piece: Vec<u8>| -> u32 {
            *ids.entry(piece).or_insert_with_key(|piece| {
                pieces.push(piece.clone());
                (pieces.len() - 1) as u32
            })
        };
        let mut tried_if: Vec<Vec<u32>> = Vec::new();
        let mut also = Vec::with_capacity(patterns.len());
        let mut always = bits(patterns.len());
        for (index, mut sets) in required.into_iter().enumerate() {
            sets.sort_by_key(|set| {
                set.iter()
                    .filter_map(|piece| uses.get(piece))
                    .sum::<usize>()
            });
            let mut sets = sets
                .into_iter()
                .map(|set| set.into_iter().map(&mut id_of).collect::<Vec<u32>>());
            match sets.next() {
                Some(rarest) => {
                    for piece in rarest {
                        let piece = piece as usize;
                        if tried_if.len() <= piece {
                            tried_if.resize_with(piece + 1, Vec::new);
                        }
                        tried_if[piece].push(index as u32);
                    }
                }
                None => {
                    set(&mut always, index);
                }
            }
            also.push(sets.collect());
        }
        tried_if.resize_with(pieces.len(), Vec::new);
        let pieces = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .build(&pieces)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            patterns,
            pieces,
            tried_if,
            also,
            always,
        })
    }

    /// The patterns that may match.
    pub(super) fn candidates(&self, haystack: &Haystack<'_>) -> Candidates<'_> {
        let mut found = bits(self.tried_if.len());
        let mut candidates = self.always.clone();
        for piece in self.pieces.find_overlapping_iter(haystack.text) {
            let piece = piece.pattern().as_usize();
            if set(&mut found, piece) {
                for pattern in &self.tried_if[piece] {
                    set(&mut candidates, *pattern as usize);
                }
            }
        }
        Candidates {
            patterns: self,
            found,
            candidates,
        }
    }
}

/// The patterns that may match a text.
pub(super) struct Candidates<'p> {
    patterns: &'p Patterns,
    found: Bits,
    candidates: Bits,
}

impl Candidates<'_> {
    /// Those of a range, in order, with their indices.
    pub(super) fn within(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Listed)> {
        let words = range.start / 64..range.end.div_ceil(64);
        words
            .flat_map(|word| {
                let mut rest = self.candidates[word];
                std::iter::from_fn(move || {
                    let bit = rest.trailing_zeros();
                    rest &= rest.checked_sub(1)?;
                    Some(word * 64 + bit as usize)
                })
            })
            .filter(move |index| range.contains(index))
            .filter(|index| {
                self.patterns.also[*index]
                    .iter()
                    .all(|set| set.iter().any(|piece| has(&self.found, *piece as usize)))
            })
            .map(|index| (index, &self.patterns.patterns[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
        let pattern = Pattern::compile(pattern, false).unwrap();
        let found = pattern.find(&Haystack::new(text)).unwrap()?;
        let owned = |group: usize| found.get(group).map(str::to_owned);
        Some((0..4).map(owned).collect())
    }

    fn some(texts: [Option<&str>; 4]) -> Option<Vec<Option<String>>> {
        Some(texts.map(|text| text.map(str::to_owned)).to_vec())
    }

    #[test]
    fn groups_are_parts_of_the_text_in_every_engine() {
        for (pattern, text, found) in [
            (
                r"(a)(b)?(.+)",
                "xac",
                some([Some("ac"), Some("a"), None, Some("c")]),
            ),
            (
                r"(a)(b)?(.+)",
                "éa日本🦀",
                some([Some("a日本🦀"), Some("a"), None, Some("日本🦀")]),
            ),
            (r"(.)$", "éü", some([Some("ü"), Some("ü"), None, None])),
            (r"()a", "éa", some([Some("a"), Some(""), None, None])),
            (
                r"\b(é.)",
                "xé éü",
                some([Some("éü"), Some("éü"), None, None]),
            ),
            (
                r"\b(e.)",
                "xe eu",
                some([Some("eu"), Some("eu"), None, None]),
            ),
            (
                r"(?<!x)(é.)",
                "xé éü",
                some([Some("éü"), Some("éü"), None, None]),
            ),
            (r"(q)", "éü", None),
        ] {
            assert_eq!(groups(pattern, text), found, "{pattern} in {text}");
        }
    }

    #[test]
    fn candidates_are_tried_in_order_and_only_if_their_pieces_are_there() {
        let sources = [
            ("Foo.*Bar", false),
            (".", false),
            ("foo", true),
            ("(?=q)", false),
            ("Bar/[0-9]", false),
            ("Chrome", false),
        ];
        let patterns = Patterns::compile(&sources).unwrap();
        let tried = |text: &str, start, end| -> Vec<usize> {
            let haystack = Haystack::new(text);
            let candidates = patterns.candidates(&haystack);
            candidates
                .within(start..end)
                .map(|(index, _)| index)
                .collect()
        };
        assert_eq!(tried("", 0, 6), [1, 3]);
        assert_eq!(tried("foo", 0, 6), [1, 2, 3]);
        assert_eq!(tried("FOO bar/", 0, 6), [0, 1, 2, 3, 4]);
        assert_eq!(tried("FOO bar/ Chrome", 1, 5), [1, 2, 3, 4]);
        assert_eq!(tried("FOO bar/ Chrome", 5, 6), [5]);
        assert_eq!(tried("FOO bar/ Chrome", 6, 6), [] as [usize; 0]);
    }

    #[test]
    fn all_errors_are_told_with_their_places() {
        let errors = Patterns::compile(&[("a", false), ("(", false), ("b**", false), ("*", true)]);
        let errors = errors.unwrap_err();
        assert_eq!(errors[0], (1, "Unclosed group near index 1".to_owned()));
        assert_eq!(errors[1].0, 3);
        assert!(errors[1].1.contains("repetition"), "{errors:?}");
        let large = "(?:(?:[a-z]{1,1000}){1,1000}){1,1000}";
        let error = Pattern::compile(large, false).unwrap_err();
        assert!(error.contains("size"), "{error}");
    }

    #[test]
    fn a_hostile_text_ends_a_backtracking_search() {
        let pattern = Pattern::compile("(?:a+)+(?=b)(?<=c)", false).unwrap();
        let text = "a".repeat(20_000);
        let found = pattern.find(&Haystack::new(&text));
        assert!(!matches!(found, Ok(Some(_))));
    }
}
