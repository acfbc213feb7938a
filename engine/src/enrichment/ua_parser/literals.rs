//! Which pieces of text a regular expression cannot do without.
//!
//! In: an expression of the crate `regex-syntax`. Out: a list of sets; wherever the expression matches, the text holds at
//! least one piece of each set, in either case of ASCII letters. No set means that nothing is known. The method is that of
//! RE2's prefilters: short expressions are counted out, and what grows too large is cut into pieces.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Shortest piece worth to be looked for.
const SHORTEST: usize = 2;
/// Longest piece.
const LONGEST: usize = 24;
/// Most texts that are counted out for a part of a sequence.
const MOST_EXACT: usize = 24;
/// Most pieces of a set. The lists of robots have some 200.
const MOST_PIECES: usize = 512;
/// Most sets that alternatives yield together.
const MOST_SETS: usize = 4;
/// Most characters that a class is counted out for.
const MOST_CHARS: usize = 8;
/// Deepest nesting that is looked into.
const DEEPEST: usize = 250;

/// Pieces in lower case, one of which must be there.
pub(super) type Pieces = Vec<Vec<u8>>;

/// The sets of pieces that the text of a match of an expression holds.
///
/// # Errors
/// The expression is none.
pub(super) fn of_pattern(pattern: &str) -> Result<Vec<Pieces>, Box<regex_syntax::Error>> {
    let expression = ParserBuilder::new().build().parse(pattern)?;
    Ok(required(&expression))
}

/// The sets of pieces that the text of a match holds.
fn required(expression: &Hir) -> Vec<Pieces> {
    let mut facts = facts(expression, 0);
    if let Some(exact) = facts.exact.take() {
        keep(exact, &mut facts.required);
    }
    for pieces in &mut facts.required {
        pieces.sort_unstable();
        pieces.dedup();
    }
    facts.required.sort_unstable();
    facts.required.dedup();
    facts.required
}

/// What is known about an expression.
#[derive(Debug, Default)]
struct Facts {
    /// All texts that it matches, in lower case, if they are few.
    exact: Option<Pieces>,
    /// Sets of pieces beside them.
    required: Vec<Pieces>,
}

impl Facts {
    fn exact(exact: Pieces) -> Self {
        Self {
            exact: Some(exact),
            required: Vec::new(),
        }
    }
}

fn facts(expression: &Hir, depth: usize) -> Facts {
    if depth > DEEPEST {
        return Facts::default();
    }
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => Facts::exact(vec![Vec::new()]),
        HirKind::Literal(literal) => {
            let text = literal.0.to_ascii_lowercase();
            if text.len() <= LONGEST {
                return Facts::exact(vec![text]);
            }
            let required = text.chunks(LONGEST).map(|piece| vec![piece.to_vec()]);
            Facts {
                exact: None,
                required: required.filter(is_worth_it).collect(),
            }
        }
        HirKind::Class(class) => match chars_of(class) {
            Some(chars) => Facts::exact(chars),
            None => Facts::default(),
        },
        HirKind::Capture(capture) => facts(&capture.sub, depth + 1),
        HirKind::Repetition(repetition) => {
            let mut of_one = facts(&repetition.sub, depth + 1);
            match (repetition.min, repetition.max) {
                (1, Some(1)) => of_one,
                (0, Some(1)) => match of_one.exact {
                    Some(mut exact) if exact.len() < MOST_EXACT => {
                        exact.push(Vec::new());
                        Facts::exact(exact)
                    }
                    _ => Facts::default(),
                },
                (0, _) => Facts::default(),
                _ => {
                    if let Some(exact) = of_one.exact.take() {
                        keep(exact, &mut of_one.required);
                    }
                    of_one
                }
            }
        }
        HirKind::Concat(parts) => sequence(parts, depth),
        HirKind::Alternation(branches) => alternatives(branches, depth),
    }
}

fn sequence(parts: &[Hir], depth: usize) -> Facts {
    let mut required = Vec::new();
    // the texts of the parts since the last one that is not exact
    let mut run: Pieces = vec![Vec::new()];
    let mut is_exact = true;
    for part in parts {
        let facts = facts(part, depth + 1);
        required.extend(facts.required);
        let Some(exact) = facts.exact else {
            keep(std::mem::replace(&mut run, vec![Vec::new()]), &mut required);
            is_exact = false;
            continue;
        };
        let longest = |pieces: &Pieces| pieces.iter().map(Vec::len).max().unwrap_or_default();
        if run.len() * exact.len() > MOST_EXACT || longest(&run) + longest(&exact) > LONGEST {
            keep(std::mem::replace(&mut run, exact), &mut required);
            is_exact = false;
            continue;
        }
        run = run
            .iter()
            .flat_map(|head| {
                exact
                    .iter()
                    .map(move |tail| [head.as_slice(), tail].concat())
            })
            .collect();
    }
    if is_exact {
        return Facts {
            exact: Some(run),
            required,
        };
    }
    keep(run, &mut required);
    Facts {
        exact: None,
        required,
    }
}

fn alternatives(branches: &[Hir], depth: usize) -> Facts {
    let of_branches: Vec<Facts> = branches.iter().map(|b| facts(b, depth + 1)).collect();
    let exact: Option<Vec<&Pieces>> = of_branches.iter().map(|f| f.exact.as_ref()).collect();
    if let Some(exact) = exact
        && exact.iter().map(|pieces| pieces.len()).sum::<usize>() <= MOST_PIECES
        && of_branches.iter().all(|facts| facts.required.is_empty())
    {
        return Facts::exact(exact.into_iter().flatten().cloned().collect());
    }
    // one set of each branch, together, is a set: first the best ones, then the next best ones
    let mut of_branches: Vec<Vec<Pieces>> = of_branches
        .into_iter()
        .map(|mut facts| {
            if let Some(exact) = facts.exact {
                keep(exact, &mut facts.required);
            }
            facts.required
        })
        .collect();
    let shortest = |set: &Pieces| set.iter().map(Vec::len).min().unwrap_or_default();
    for sets in &mut of_branches {
        sets.sort_by_key(|set| std::cmp::Reverse(shortest(set)));
    }
    let most = of_branches.iter().map(Vec::len).max().unwrap_or_default();
    let mut required = Vec::new();
    for rank in 0..most.min(MOST_SETS) {
        // a branch that has no more sets goes on with its last one
        let of_rank: Option<Vec<&Pieces>> = of_branches
            .iter()
            .map(|sets| sets.get(rank).or(sets.last()))
            .collect();
        match of_rank {
            Some(sets) => keep(sets.into_iter().flatten().cloned().collect(), &mut required),
            None => return Facts::default(),
        }
    }
    Facts {
        exact: None,
        required,
    }
}

/// Adds a set if it says anything.
fn keep(mut set: Pieces, required: &mut Vec<Pieces>) {
    set.sort_unstable();
    set.dedup();
    if is_worth_it(&set) {
        required.push(set);
    }
}

fn is_worth_it(set: &Pieces) -> bool {
    !set.is_empty() && set.len() <= MOST_PIECES && set.iter().all(|piece| piece.len() >= SHORTEST)
}

/// The characters of a small class in lower case.
fn chars_of(class: &Class) -> Option<Pieces> {
    let Class::Unicode(class) = class else {
        return None;
    };
    let mut chars = Pieces::new();
    for range in class.ranges() {
        for c in range.start()..=range.end() {
            let mut buffer = [0; 4];
            let c = c.to_ascii_lowercase();
            let piece = c.encode_utf8(&mut buffer).as_bytes();
            if chars.iter().any(|known| known == piece) {
                continue;
            }
            if chars.len() == MOST_CHARS {
                return None;
            }
            chars.push(piece.to_vec());
        }
    }
    (!chars.is_empty()).then_some(chars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Vec<Vec<String>> {
        let hir = regex_syntax::parse(pattern).unwrap();
        let text = |piece: Vec<u8>| String::from_utf8(piece).unwrap();
        required(&hir)
            .into_iter()
            .map(|set| set.into_iter().map(text).collect())
            .collect()
    }

    #[test]
    fn pieces_of_expressions() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("Chrome", &[&["chrome"]]),
            ("(SeaMonkey|Camino)/([0-9]+)", &[&["camino/", "seamonkey/"]]),
            ("(Pale[Mm]oon)/x", &[&["palemoon/x"]]),
            ("[cC][hH]rome", &[&["chrome"]]),
            ("Mobile.*(Firefox)/[0-9]+", &[&["firefox/"], &["mobile"]]),
            ("(?:Foo)?bar", &[&["bar", "foobar"]]),
            ("(?:Foo)*bar", &[&["bar"]]),
            ("(?:Foo)+bar", &[&["bar"], &["foo"]]),
            ("a(?:Foo){2,3}", &[&["foo"]]),
            ("a+b", &[]),
            (".*", &[]),
            ("", &[]),
            ("abc|", &[]),
            ("abc|d", &[]),
            ("abc|de.*fghi", &[&["abc", "de"], &["abc", "fghi"]]),
            ("^abc$", &[&["abc"]]),
            ("[a-z]bc", &[&["bc"]]),
            ("é[0-9]É", &[&["É"], &["é"]]),
            ("AA(?:Bb.|Cc.)", &[&["aa"], &["bb", "cc"]]),
            (
                "(?:iPhone|Android).*(?:-bot|spider)|AdsBot.*Tab",
                &[&["-bot", "spider", "tab"], &["adsbot", "android", "iphone"]],
            ),
            ("(?:ab.*cd|ef)x*", &[&["ab", "ef"], &["cd", "ef"]]),
            ("ab.*cd|x+", &[]),
        ];
        for (pattern, expected) in cases {
            assert_eq!(of(pattern), *expected, "{pattern}");
        }
    }

    #[test]
    fn large_expressions_stay_small() {
        let long = "x".repeat(1000);
        assert!(
            of(&long)
                .iter()
                .flatten()
                .all(|piece| piece.len() <= LONGEST)
        );
        let many: Vec<String> = (0..1000).map(|n| format!("word{n}")).collect();
        assert_eq!(of(&many.join("|")), Vec::<Vec<String>>::new());
        let grows = "[ab]".repeat(40);
        assert!(of(&grows).iter().all(|set| set.len() <= MOST_PIECES));
        assert_eq!(of("[a-z]{3}"), Vec::<Vec<String>>::new());
    }
}
