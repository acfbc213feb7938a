//! The words of a script, taken apart far enough to know what it names: Java, which cannot be had here, and
//! the ways by which a script can leave something behind for the next event.
//!
//! Strings, comments and regular expressions hide nothing: their content names nothing. Where the place of
//! a slash or a quote leaves doubt, the answer is the safe one.

/// Names that lead to Java in Rhino.
const JAVA: [&str; 7] = [
    "java",
    "javax",
    "Packages",
    "JavaImporter",
    "JavaAdapter",
    "importPackage",
    "importClass",
];

/// Names that lead to what all objects, functions and scripts share, or make code from text.
const REACHING: [&str; 34] = [
    "prototype",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "constructor",
    "eval",
    "Function",
    "globalThis",
    "this",
    "defineProperty",
    "defineProperties",
    "setPrototypeOf",
    "getPrototypeOf",
    "getOwnPropertyDescriptor",
    "getOwnPropertyDescriptors",
    "getOwnPropertyNames",
    "assign",
    "freeze",
    "seal",
    "preventExtensions",
    "Reflect",
    "Proxy",
    "Symbol",
    "Promise",
    "async",
    "await",
    "with",
    "arguments",
    "callee",
    "caller",
    "import",
    "super",
];

/// Names of the language's own objects and functions.
const BUILT_IN: [&str; 34] = [
    "Array",
    "ArrayBuffer",
    "Boolean",
    "DataView",
    "Date",
    "Error",
    "EvalError",
    "Infinity",
    "Iterator",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "RangeError",
    "ReferenceError",
    "RegExp",
    "Set",
    "String",
    "SyntaxError",
    "TypeError",
    "URIError",
    "WeakMap",
    "WeakSet",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "escape",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    /// A number, string or regular expression.
    Literal,
    Sign,
}

#[derive(Debug, Clone, Copy)]
struct Token<'s> {
    kind: Kind,
    text: &'s str,
    line: usize,
}

/// A script's words.
#[derive(Debug)]
pub(super) struct Tokens<'s> {
    tokens: Vec<Token<'s>>,
    /// Whether the words may be others than these.
    doubtful: bool,
}

impl<'s> Tokens<'s> {
    /// Takes a script apart.
    pub(super) fn of(script: &'s str) -> Self {
        let mut scan = Scan {
            script,
            at: 0,
            line: 1,
            tokens: Vec::new(),
            doubtful: false,
        };
        while scan.step() {}
        Self {
            tokens: scan.tokens,
            doubtful: scan.doubtful,
        }
    }

    /// Line and text of the first thing that Rhino has and this engine has not.
    pub(super) fn unavailable(&self) -> Option<(usize, String)> {
        for (index, token) in self.tokens.iter().enumerate() {
            if token.kind != Kind::Name {
                continue;
            }
            let before = index.checked_sub(1).map(|i| self.tokens[i].text);
            let after = self.tokens.get(index + 1).map(|next| next.text);
            if token.text == "for" && after == Some("each") {
                return Some((token.line, "for each".into()));
            }
            // a member or key of that name is no Java
            let is_member = before == Some(".") || after == Some(":");
            if JAVA.contains(&token.text) && !is_member && !self.declares(token.text) {
                return Some((token.line, token.text.to_owned()));
            }
        }
        None
    }

    /// Whether the script provably changes nothing that outlives its run but perhaps global variables.
    pub(super) fn is_contained(&self) -> bool {
        !self.doubtful
            && self.tokens.iter().enumerate().all(|(index, token)| {
                if token.kind != Kind::Name {
                    return true;
                }
                let before = index.checked_sub(1).map(|i| self.tokens[i].text);
                if REACHING.contains(&token.text) {
                    return false;
                }
                if before != Some(".") && BUILT_IN.contains(&token.text) {
                    return self.is_plain_use(index);
                }
                true
            })
    }

    /// Whether the built-in at `index` is called, made, or asked for a member that is called or read on the spot.
    fn is_plain_use(&self, index: usize) -> bool {
        let at = |offset: usize| self.tokens.get(index + offset).map(|token| token.text);
        let before = index.checked_sub(1).map(|i| self.tokens[i].text);
        match at(1) {
            Some("(") => true,
            // Math.PI, JSON.stringify(..); not Math.max = .., Math.max.x, Math["max"]
            Some(".") => {
                matches!(
                    at(3),
                    Some(
                        "(" | ")"
                            | ";"
                            | ","
                            | "+"
                            | "-"
                            | "*"
                            | "/"
                            | "%"
                            | "<"
                            | ">"
                            | "?"
                            | ":"
                            | "]"
                            | "}"
                    )
                ) && !matches!(
                    (at(3), at(4)),
                    (Some("+" | "-"), Some("+" | "-" | "=")) | (Some("*" | "/" | "%"), Some("="))
                ) && !matches!(
                    before,
                    Some("+" | "-" | "=" | ":" | "," | "return" | "[" | "?" | "delete")
                ) || at(3) == Some("(")
            }
            _ => {
                matches!(before, Some("new" | "instanceof" | "typeof"))
                    || matches!(self.tokens[index].text, "NaN" | "Infinity")
            }
        }
    }

    /// Whether the script declares a variable, function or parameter of that name.
    fn declares(&self, name: &str) -> bool {
        self.tokens.windows(2).any(|pair| {
            matches!(pair[0].text, "var" | "let" | "const" | "function") && pair[1].text == name
        })
    }
}

/// How far a script was read.
struct Scan<'s> {
    script: &'s str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'s>>,
    doubtful: bool,
}

impl<'s> Scan<'s> {
    fn rest(&self) -> &'s str {
        self.script.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        self.tokens.push(Token {
            kind,
            text,
            line: self.line,
        });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        self.line += text.matches('\n').count();
        self.at += length;
    }

    /// Reads one token or gap; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        if first.is_whitespace() || first == '\u{feff}' {
            self.skip(first.len_utf8());
        } else if rest.starts_with("//") || rest.starts_with("<!--") {
            self.skip(
                rest.find(['\n', '\r', '\u{2028}', '\u{2029}'])
                    .unwrap_or(rest.len()),
            );
        } else if rest.starts_with("/*") {
            let length = rest.get(2..).and_then(|text| text.find("*/"));
            self.skip(length.map_or(rest.len(), |length| length + 4));
        } else if is_name_part(first) && !first.is_ascii_digit() {
            let length = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
            self.push(Kind::Name, length);
        } else if first.is_ascii_digit() {
            let end = |c: char| !(is_name_part(c) || c == '.');
            self.push(Kind::Literal, rest.find(end).unwrap_or(rest.len()));
        } else if first == '"' || first == '\'' {
            let length = self.quoted(first, "\n\r");
            self.push(Kind::Literal, length);
        } else if first == '`' {
            // its expressions are not looked into
            self.doubtful = true;
            let length = self.quoted(first, "");
            self.push(Kind::Literal, length);
        } else if first == '/' && self.begins_regex() {
            let length = self.regex();
            self.push(Kind::Literal, length);
        } else {
            // an escape outside of a string can spell any name
            self.doubtful |= first == '\\';
            self.push(Kind::Sign, first.len_utf8());
        }
        true
    }

    /// Length of a string whose opening quote stands here.
    fn quoted(&mut self, quote: char, ends: &str) -> usize {
        let rest = self.rest();
        let mut escaped = false;
        for (index, c) in rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                return index + 1;
            } else if ends.contains(c) {
                break;
            }
        }
        // without its end: some slash or quote was misread
        self.doubtful = true;
        1
    }

    fn begins_regex(&mut self) -> bool {
        const BEFORE: [&str; 14] = [
            "return",
            "typeof",
            "case",
            "in",
            "of",
            "delete",
            "void",
            "throw",
            "new",
            "instanceof",
            "do",
            "else",
            "yield",
            "await",
        ];
        match self.tokens.last() {
            None => true,
            Some(token) => match token.kind {
                Kind::Literal => false,
                Kind::Name => BEFORE.contains(&token.text),
                Kind::Sign => {
                    // the end of a block or of an object
                    self.doubtful |= token.text == "}";
                    !matches!(token.text, ")" | "]" | "}")
                }
            },
        }
    }

    /// Length of a regular expression that begins here, its flags included.
    fn regex(&mut self) -> usize {
        let rest = self.rest();
        let (mut escaped, mut in_class) = (false, false);
        for (index, c) in rest.char_indices().skip(1) {
            match c {
                '\n' | '\r' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    let flags = rest.get(index + 1..).unwrap_or_default();
                    let length = flags.find(|c| !is_name_part(c)).unwrap_or(flags.len());
                    return index + 1 + length;
                }
                _ => {}
            }
        }
        self.doubtful = true;
        1
    }
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || c == '#' || c == '\u{200c}' || c == '\u{200d}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_is_found_with_its_line() {
        for (script, found) in [
            ("// java.lang\n/* Packages */ var x = 'java.util';", None),
            (
                "var a;\nvar l = new java.util.ArrayList();",
                Some((2, "java")),
            ),
            ("importPackage(java.io)", Some((1, "importPackage"))),
            ("x\n= Packages.com", Some((2, "Packages"))),
            ("\n\nfor each (var v in list) {}", Some((3, "for each"))),
            ("a.java = 1; b = {java: 2}", None),
            ("var java = {}; java.x = 1", None),
            ("var re = /java.lang/; re.test(x)", None),
        ] {
            let tokens = Tokens::of(script);
            let expected = found.map(|(line, name)| (line, name.to_owned()));
            assert_eq!(tokens.unavailable(), expected, "{script}");
        }
    }

    #[test]
    fn scripts_that_can_leave_nothing_behind() {
        for script in [
            "function process(event) { return []; }",
            "var n = 0; function process(e) { n++; var a = e.getApp_id(); return a == null ? [] : [{schema: 'x', data: {u: a.toUpperCase()}}]; }",
            "var a = new Date(); var b = Math.floor(3.5) / 2; JSON.stringify({}); throw new Error('x');",
            "if (x instanceof Array && 'prototype' === y && a / 2 > b / 3) {}",
            "var re = /[/'\"]/g; x.replace(re, '')",
            "leaks = 1",
        ] {
            assert!(Tokens::of(script).is_contained(), "{script}");
        }
        for script in [
            "String.prototype.x = 1",
            "x.__proto__ = y",
            "Math.max = 1",
            "Math.max++",
            "Math.max += 1",
            "var f = Math.max; f.n = 1",
            "Math.max.n = 1",
            "Math['max'] = 1",
            "delete Math.max;",
            "JSON = null",
            "var S = String; S['proto' + 'type'].x = 1",
            "g(Object)",
            "x.constructor.prototype",
            "this.n = 1",
            "eval('x')",
            "`${this}`",
            "\\u0074his.n = 1",
            "} /'/; this.n = 1; x = '",
            "new Function('x')",
            "[].concat.call(arguments)",
        ] {
            assert!(!Tokens::of(script).is_contained(), "{script}");
        }
    }
}
