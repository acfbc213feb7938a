//! Scripts as users write them for Rhino, and scripts that mean harm.

use super::super::tests::raw_event;
use super::*;
use crate::event::Field;

fn compile(script: &str) -> Result<JavascriptScript, String> {
    // a busy machine may not make a good script fail
    let limits = ScriptLimits {
        time_ms: 1000,
        memory: 16 << 20,
    };
    JavascriptScript::compile(script, limits)
}

/// Columns of an event after the script, its contexts, its failures.
type Outcome = (Vec<(Field, String)>, Vec<String>, Vec<String>);

fn apply(script: &JavascriptScript, columns: &[(Field, &str)]) -> Outcome {
    let raw = raw_event(&[]);
    let mut draft = Draft::new(&raw);
    for (field, value) in columns {
        draft.event.set(*field, value);
    }
    script.apply(&mut draft).unwrap();
    (
        draft
            .event
            .values()
            .map(|(f, v)| (f, v.to_owned()))
            .collect(),
        draft
            .derived_contexts
            .iter()
            .map(Value::to_compact)
            .collect(),
        draft.failures.into_texts(),
    )
}

/// The JSON of what `expression` gives for an event with an app id `app1`, a width and a place; run both ways.
fn value_of(expression: &str) -> String {
    let columns = [
        (Field::AppId, "app1"),
        (Field::DvceScreenwidth, "1024"),
        (Field::GeoLatitude, "47.2513"),
        (Field::BrCookies, "1"),
    ];
    let script = format!(
        "function process(event) {{ var s = event.getApp_id(); return [{{v: {expression}}}]; }}"
    );
    let mut results = Vec::new();
    for is_contained in [true, false] {
        let mut script = compile(&script).unwrap();
        script.script.is_contained = is_contained;
        let (_, contexts, failures) = apply(&script, &columns);
        assert_eq!(failures, [""; 0], "{expression}");
        results.push(contexts.concat());
    }
    assert_eq!(results[0], results[1], "{expression}");
    let inner = results[0].strip_prefix(r#"{"v":"#).unwrap();
    inner.strip_suffix('}').unwrap().to_owned()
}

#[test]
fn texts_behave_as_wrapped_java_strings() {
    for (expression, json) in [
        ("typeof s", r#""object""#),
        ("s === 'app1'", "false"),
        ("s == 'app1'", "true"),
        ("'app1' == s", "true"),
        ("s != 'secret'", "true"),
        ("s", r#""app1""#),
        ("new String(s)", r#""app1""#),
        ("'<' + s + '>'", r#""<app1>""#),
        ("s.length()", "4"),
        ("s.equals('app1')", "true"),
        ("s.equals(event.app_id())", "true"),
        ("s.equalsIgnoreCase('APP1')", "true"),
        ("s.isEmpty()", "false"),
        ("s.contains('pp')", "true"),
        ("s.toUpperCase()", r#""APP1""#),
        ("new String(s.toUpperCase())", r#""APP1""#),
        ("s.substring(1)", r#""pp1""#),
        ("s.substring(1, 3).length()", "2"),
        ("s.charAt(0)", "97"),
        ("s.indexOf('p')", "1"),
        ("s.matches('[a-z]+')", "false"),
        ("s.matches('(?i)APP\\\\d')", "true"),
        ("s.replace('p', 'q')", r#""aqq1""#),
        ("s.replace(/p/, 'q')", r#""aqp1""#),
        ("s.replaceAll('p+', 'q')", r#""aq1""#),
        ("s.split('p')", r#"["a","","1"]"#),
        ("s.split('')", r#"["a","p","p","1"]"#),
        ("s.hashCode()", "3000880"),
        ("s.concat('x').trim()", r#""app1x""#),
        // what Java's strings do not have comes from JavaScript's
        ("s.slice(-1)", r#""1""#),
        ("s.substr(1, 2)", r#""pp""#),
        ("s.match(/p+/)[0]", r#""pp""#),
        ("s instanceof String", "true"),
        ("/^app/.test(s)", "true"),
        ("({app1: 5})[s]", "5"),
    ] {
        assert_eq!(value_of(expression), json, "{expression}");
    }
}

#[test]
fn numbers_and_nulls_are_plain() {
    for (expression, json) in [
        ("event.getDvce_screenwidth() + 1", "1025"),
        ("event.dvce_screenwidth() === 1024", "true"),
        ("event.getBr_cookies()", "1"),
        ("event.getGeo_latitude()", "47.251300811767578"),
        ("event.getUser_id() === null", "true"),
        ("event.getPii()", "null"),
        ("event.getDerived_contexts()", "null"),
        ("typeof event.getEvent_fingerprint", r#""function""#),
    ] {
        let found = value_of(expression);
        if json.contains('.') {
            assert!(found.starts_with("47.2513008117675"), "{found}");
        } else {
            assert_eq!(found, json, "{expression}");
        }
    }
}

#[test]
fn setters_change_the_event() {
    let script = compile(
        "function process(e) { e.setApp_id(e.getApp_id() + '!'); e.setUser_id(null); e.setDvce_screenwidth('12.9'); \
         e.setGeo_latitude(1.5); e.setSe_label(7); e.setBr_cookies(0); return []; }",
    )
    .unwrap();
    let before = [(Field::AppId, "a"), (Field::UserId, "u")];
    let (columns, contexts, failures) = apply(&script, &before);
    assert_eq!((contexts.len(), failures.len()), (0, 0), "{failures:?}");
    let expected = [
        (Field::AppId, "a!"),
        (Field::GeoLatitude, "1.5"),
        (Field::SeLabel, "7"),
        (Field::BrCookies, "0"),
        (Field::DvceScreenwidth, "12"),
    ];
    for (field, value) in expected {
        assert!(columns.contains(&(field, value.to_owned())), "{columns:?}");
    }
    assert_eq!(columns.len(), expected.len());
    for call in [
        "setDvce_screenwidth('wide')",
        "setDvce_screenwidth(3000000000)",
        "setBr_cookies(200)",
        "setGeo_latitude({})",
        "setNothing(1)",
    ] {
        let script = compile(&format!("function process(e) {{ e.{call}; return []; }}")).unwrap();
        let (_, _, failures) = apply(&script, &before);
        assert!(
            failures[0]
                .starts_with("Evaluating JavaScript script threw an exception: [TypeError: "),
            "{failures:?}"
        );
    }
}

#[test]
fn results_that_are_no_contexts() {
    let failure = |body: &str| {
        let script = compile(&format!("function process(event) {{ {body} }}")).unwrap();
        let (_, contexts, failures) = apply(&script, &[]);
        assert_eq!(contexts.len(), 0);
        failures.concat()
    };
    assert_eq!(failure("return [];"), "");
    let must = "JavaScript script must return an Array; got [";
    assert_eq!(failure("return null;"), format!("{must}null]"));
    assert_eq!(failure("return {a: 1};"), format!(r#"{must}{{"a":1}}]"#));
    assert_eq!(failure("return 5;"), format!("{must}5]"));
    // the text of the script's JSON, not one printed anew
    assert_eq!(failure("return 1e21;"), format!("{must}1e+21]"));
    assert_eq!(failure("return '\\u00e9';"), format!("{must}\"\u{e9}\"]"));
    let could_not = "Could not convert object returned from JavaScript script to JValue AST: [";
    assert!(failure("").starts_with(could_not));
    assert!(failure("return [1];").starts_with(could_not));
    assert!(failure("return [null, {a: 1}];").starts_with(could_not));
    // only the first one is looked at
    let script = compile("function process(event) { return [{a: 1}, 2, null]; }").unwrap();
    let (_, contexts, failures) = apply(&script, &[]);
    assert_eq!(
        (contexts.join(" "), failures.len()),
        (r#"{"a":1} 2 null"#.into(), 0)
    );
    let threw = "Evaluating JavaScript script threw an exception: [";
    assert_eq!(
        failure("throw 'no ' + event.getApp_id();"),
        format!("{threw}no null]")
    );
    assert_eq!(
        failure("\n\nthrow new Error('x');"),
        format!("{threw}Error: x (line 3)]")
    );
    assert!(failure("throw {toString: function () { throw 1; }};").starts_with(threw));
    // thrown inside of what the engine offers, but the place is the user's
    assert_eq!(
        failure("\nevent.setDvce_screenwidth('wide');"),
        format!("{threw}TypeError: Cannot convert wide to java.lang.Integer (line 2)]")
    );
    let without = compile("var x = 1;").unwrap();
    assert!(apply(&without, &[]).2.concat().starts_with(threw));
}

#[test]
fn scripts_that_cannot_be_had_are_refused_with_the_line() {
    let error = compile("[").unwrap_err();
    assert!(
        error.starts_with("Error compiling JavaScript script: ["),
        "{error}"
    );
    let error = compile("var a;\nvar b = ;\n").unwrap_err();
    assert!(error.contains("line 2"), "{error}");
    let error = compile("\nvar l = new java.util.ArrayList();").unwrap_err();
    assert!(error.contains("line 2: `java`"), "{error}");
    // sloppy mode, as Rhino
    for script in [
        "with ({}) {}",
        "var o = 010;",
        "delete x",
        "undeclared = 1;",
    ] {
        assert!(compile(script).is_ok(), "{script}");
    }
}

#[test]
fn nothing_survives_an_event() {
    for body in [
        "if (typeof leaked !== 'undefined') throw 'leak'; leaked = 1;",
        "if (state > 0) throw 'leak'; state++;",
        "if (String.prototype.leaked) throw 'leak'; String.prototype.leaked = 1;",
        "if (({}).leaked) throw 'leak'; event.__proto__.__proto__.leaked = 1;",
        "if (this.leaked) throw 'leak'; this.leaked = 1;",
        "if (''['pad' + 'Start'].leaked) throw 'leak'; try { ''['pad' + 'Start'].leaked = 1; } catch (e) {}",
        "if (event.getApp_id.leaked) throw 'leak'; event.getApp_id.leaked = 1;",
        "if ([]['concat'].leaked) throw 'leak'; [].concat.leaked = 1;",
        "var p = '__pro' + 'to__'; if (({}).leaked) throw 'leak'; try { ({})[p].leaked = 1; } catch (e) {}",
        "if (Math.leaked) throw 'leak'; Math.leaked = 1;",
        "JSON.parse = null; if (typeof JSON.stringify !== 'function') throw 'leak';",
    ] {
        let script = compile(&format!(
            "var state = 0; function process(event) {{ {body} return []; }}"
        ))
        .unwrap();
        for _ in 0..3 {
            assert_eq!(apply(&script, &[]).2, [""; 0], "{body}");
        }
    }
}

#[test]
fn hostile_scripts_cost_one_event() {
    for body in [
        "while (true) {}",
        "for (;;) { try { while (true) {} } catch (e) {} }",
        "var a = []; while (true) a.push(new Array(10000).join('x'));",
        "var s = 'x'; while (true) s += s;",
        "(function f() { return f() + 1; })();",
        "return [{toJSON: function () { throw 1; }}];",
        "var a = []; a[0] = a; return a;",
        "var x = {valueOf: function () { while (true) {} }}; return [x + 1];",
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.match(/^(a+)+$/);",
        "'x'.repeat(1073741823);",
        "JSON.parse(new Array(1000000).join('['));",
        // loops of the interpreter's own
        "new Array(4294967295).join('x');",
        "new Array(4294967295).sort();",
        "[].reverse.call({length: 9007199254740991});",
        "[].slice.call({length: 9007199254740991}, 0, 9007199254740991);",
        "[].concat(new Array(4294967295));",
        "[1, new Array(4294967295)].flat();",
        "[].indexOf.call({length: 9007199254740991}, 1);",
        "'' + [new Array(4294967295)];",
    ] {
        let script = compile(&format!(
            "function process(event) {{ if (event.getApp_id() == 'bad') {{ {body} }} return [{{ok: 1}}]; }}"
        ))
        .unwrap();
        for _ in 0..2 {
            let failures = apply(&script, &[(Field::AppId, "bad")]).2;
            assert!(
                failures.len() == 1
                    && failures[0]
                        .starts_with("Evaluating JavaScript script threw an exception: ["),
                "{body}: {failures:?}"
            );
            let (_, contexts, failures) = apply(&script, &[(Field::AppId, "good")]);
            assert_eq!(
                (contexts.concat().as_str(), failures.len()),
                (r#"{"ok":1}"#, 0),
                "{body}"
            );
        }
    }
}

#[test]
fn arrays_of_ordinary_length_are_as_ever() {
    for (expression, json) in [
        ("[3, 1, 2].sort().join('-')", r#""1-2-3""#),
        (
            "[3, 1, 2].sort(function (a, b) { return b - a; })",
            "[3,2,1]",
        ),
        ("[1, [2, [3]]].flat(2)", "[1,2,3]"),
        (
            "[1, 2].flatMap(function (x) { return [x, x]; })",
            "[1,1,2,2]",
        ),
        ("[1].concat([2], 'ab', s)", r#"[1,2,"ab","app1"]"#),
        ("'' + [1, [2, null]]", r#""1,2,""#),
        ("[1, 2, 3].splice(1, 1)", "[2]"),
        ("[].slice.call('abc', 1)", r#"["b","c"]"#),
        ("[1, 2].reverse().shift()", "2"),
        ("[].slice.length + [].slice.name", r#""2slice""#),
        ("Object.keys([].concat(1))", r#"["0"]"#),
    ] {
        assert_eq!(value_of(expression), json, "{expression}");
    }
}

#[test]
fn texts_without_meaning_in_utf8_are_mended() {
    let script =
        compile("function process(e) { e.setApp_id('a\\ud800b'); return [{v: '\\udc00'}]; }")
            .unwrap();
    let (columns, contexts, failures) = apply(&script, &[]);
    assert_eq!(failures, [""; 0]);
    assert_eq!(columns, [(Field::AppId, "a?b".to_owned())]);
    assert_eq!(contexts, [r#"{"v":"?"}"#]);
}
