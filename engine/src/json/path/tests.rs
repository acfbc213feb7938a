//! The two dialects, path by path, and hostile JSONs.

use super::*;
use crate::json::parse;

const STORE: &str = r#"{"store":{"book":[
 {"category":"reference","author":"Nigel Rees","title":"Sayings of the Century","price":8.95},
 {"category":"fiction","author":"Evelyn Waugh","title":"Sword of Honour","price":12.99},
 {"category":"fiction","author":"Herman Melville","title":"Moby Dick","isbn":"0-553-21311-3","price":8.99},
 {"category":"fiction","author":"J. R. R. Tolkien","title":"The Lord of the Rings","isbn":"0-395-19395-8","price":22.99}],
 "bicycle":{"color":"red","price":19.95}}}"#;

fn run(path: &str, dialect: Dialect, json: &str) -> String {
    let value = parse(json).unwrap().unwrap();
    match JsonPath::compile(path, dialect) {
        Ok(path) => {
            let found: Vec<_> = path.select(&value).iter().map(|v| v.to_compact()).collect();
            found.join(" ")
        }
        Err(error) => format!("! {error}"),
    }
}

fn check(dialect: Dialect, json: &str, cases: &[(&str, &str)]) {
    for (path, expected) in cases {
        assert_eq!(run(path, dialect, json), *expected, "{path} on {json}");
    }
}

#[test]
fn gatling_fields_and_elements() {
    let gatling = |json, cases: &[_]| check(Dialect::Gatling, json, cases);
    gatling(
        r#"{"a":"a","b":"b","c d":"e"}"#,
        &[
            ("$", r#"{"a":"a","b":"b","c d":"e"}"#),
            (" $ . a ", r#""a""#),
            ("$['a']", r#""a""#),
            ("$[\"c d\"]", r#""e""#),
            ("$['c d']", r#""e""#),
            ("$.*", r#""a" "b" "e""#),
            ("$['*']", r#""a" "b" "e""#),
            ("$[\"*\"]", r#""a" "b" "e""#),
            ("$[*]", ""),
            ("$[]", ""),
            ("$.x", ""),
            ("$.a.b", ""),
            ("$['b','x','a']", r#""b" "a""#),
            ("$['a', 'a']", r#""a" "a""#),
            // white space in front of a quoted name is lost
            ("$['  a']", r#""a""#),
            ("$[0]", ""),
        ],
    );
    gatling(
        "[1,\"2\",3.14,true,null]",
        &[
            ("$[0]", "1"),
            ("$[4]", "null"),
            ("$[*]", "1 \"2\" 3.14 true null"),
            ("$[-1:]", "null"),
            ("$[-1]", "null"),
            ("$[-5]", "1"),
            ("$[-6]", ""),
            ("$[5]", ""),
            ("$[ 1 , 45, -2 ]", "\"2\" true"),
            ("$.*", ""),
        ],
    );
    gatling(
        r#"{"foo":null}"#,
        &[("$.foo", "null"), ("$.foo[*]", ""), ("$.foo.bar", "")],
    );
    gatling(
        r#"{"it's":1,"a\\b":2,"ü-1":3,"$x_":4}"#,
        &[
            ("$['it\\'s']", "1"),
            ("$[\"it's\"]", "1"),
            ("$.ü-1", "3"),
            ("$.$x_", "4"),
        ],
    );
}

#[test]
fn gatling_slices() {
    check(
        Dialect::Gatling,
        "[1,2,3,4,5,6,7,8,9,10]",
        &[
            ("$[:]", "1 2 3 4 5 6 7 8 9 10"),
            ("$[7:]", "8 9 10"),
            ("$[-2:]", "9 10"),
            ("$[:3]", "1 2 3"),
            ("$[:-7]", "1 2 3"),
            ("$[3:6]", "4 5 6"),
            ("$[-5:-2]", "6 7 8"),
            ("$[:6:2]", "1 3 5"),
            ("$[1:9:3]", "2 5 8"),
            ("$[:5:-1]", "10 9 8 7"),
            ("$[:-4:-1]", "10 9 8"),
            ("$[3::-1]", "4 3 2 1"),
            ("$[-8::-1]", "3 2 1"),
            ("$[::]", "1 2 3 4 5 6 7 8 9 10"),
            ("$[6:3]", ""),
            ("$[-100:2]", "1 2"),
            ("$[8:100:100]", "9"),
            ("$[2147483647:-2147483648:-2147483648]", "10"),
        ],
    );
}

#[test]
fn gatling_searches() {
    check(
        Dialect::Gatling,
        STORE,
        &[
            ("$.store.book[1].price", "12.99"),
            (
                "$.store.book[*].author",
                r#""Nigel Rees" "Evelyn Waugh" "Herman Melville" "J. R. R. Tolkien""#,
            ),
            (
                "$..author",
                r#""Nigel Rees" "Evelyn Waugh" "Herman Melville" "J. R. R. Tolkien""#,
            ),
            ("$..book.*", ""),
            ("$.store..price", "8.95 12.99 8.99 22.99 19.95"),
            ("$..book[2].title", r#""Moby Dick""#),
            ("$..book[-1:].title", r#""The Lord of the Rings""#),
            ("$..book[:2].price", "8.95 12.99"),
            (
                "$..book[?(@.isbn)].title",
                r#""Moby Dick" "The Lord of the Rings""#,
            ),
            (
                "$.store.book[?(@.category == 'fiction')].price",
                "12.99 8.99 22.99",
            ),
            (
                "$.store.book[?(@.price < 20 && @.price > 8.96)].title",
                r#""Sword of Honour" "Moby Dick""#,
            ),
            (
                "$.store.book[?(@.price > 20 || @.price < 8.96 && @.title)].price",
                "8.95 22.99",
            ),
            ("$.store.book[?(8.95==@.price)].price", "8.95"),
            (
                "$.store.book[?(@.price > $.store.bicycle.price)].price",
                "22.99",
            ),
            ("$.store[?(@.color)].price", "19.95"),
        ],
    );
    check(
        Dialect::Gatling,
        r#"{"a":[1,{"b":2}],"b":{"b":3}}"#,
        &[
            // elements that are no objects are not among everything
            ("$..*", r#"[1,{"b":2}] {"b":3} 2 3"#),
            // nothing is searched inside of what was found
            ("$..b", r#"2 {"b":3}"#),
            ("$..b..b", "3"),
        ],
    );
}

#[test]
fn gatling_comparisons() {
    check(
        Dialect::Gatling,
        "[1,2.0,null,\"b\",true,false,123456789012345678901234567890]",
        &[
            ("$[?(@ == 2)]", "2.0"),
            ("$[?(@ == 2.0)]", "2.0"),
            ("$[?(@ >= 0.5)]", "1 2.0"),
            ("$[?(@ == null)]", "null"),
            ("$[?(@ >= null)]", ""),
            ("$[?(@ > 'a')]", "\"b\""),
            ("$[?(@ >= false)]", "true false"),
            ("$[?(@ > false)]", "true"),
            (
                "$[?(@ != 1)]",
                "2.0 null \"b\" true false 123456789012345678901234567890",
            ),
            ("$[?(@ == ' b')]", "\"b\""),
        ],
    );
    check(
        Dialect::Gatling,
        r#"[{"a":1},{"a":null},{"b":{"x":1,"y":[1]},"c":{"y":[1],"x":1}}]"#,
        &[
            // without a value nothing is unequal
            ("$[?(@.a != 5)].a", "1 null"),
            ("$[?(@.b == @.c)].b.x", "1"),
            ("$[?(@.a)].a", "1 null"),
            ("$[?(@[?(@.x)])].b.x", "1"),
            ("$[?(@['a'] <= 1)].a", "1"),
        ],
    );
}

#[test]
fn gatling_refusals() {
    let cases = [
        (".notJsonPath", "! `$' expected but `.' found"),
        ("", "! `$' expected but end of source found"),
        ("*.invalidJsonPath", "! `$' expected but `*' found"),
        (
            "$.a b",
            "! string matching regex `\\z' expected but `b' found",
        ),
        (
            "$.[0]",
            "! string matching regex `[$_\\d\\p{L}][$_\\-\\d\\p{L}]*' expected but `[' found",
        ),
        ("$.a[", "! `:' expected but end of source found"),
        ("$.a[?(@.b]", "! `)]' expected but `]' found"),
        (
            "$..['a']",
            "! string matching regex `[$_\\d\\p{L}][$_\\-\\d\\p{L}]*' expected but `[' found",
        ),
        (
            "$..[?(@.a)]",
            "! string matching regex `[$_\\d\\p{L}][$_\\-\\d\\p{L}]*' expected but `[' found",
        ),
        (
            "$.a.length()",
            "! string matching regex `\\z' expected but `(' found",
        ),
        ("$[99999999999]", "! For input string: \"99999999999\""),
        (
            "$[::0]",
            "! requirement failed: size=0 and step=0, but both must be positive",
        ),
    ];
    check(Dialect::Gatling, "{}", &cases);
    let nested = |depth| format!("${}@{}", "[?(@".repeat(depth), ")]".repeat(depth));
    assert!(run(&nested(1000), Dialect::Gatling, "{}").starts_with("! "));
    let long = format!("$[?(@.a{})]", " && @.a".repeat(20_000));
    assert_eq!(run(&long, Dialect::Gatling, "[{\"a\":1},{}]"), "{\"a\":1}");
    assert!(run(&"[".repeat(100_000), Dialect::Gatling, "{}").starts_with("! "));
}

#[test]
fn jayway_properties_and_elements() {
    let jayway = |json, cases: &[_]| check(Dialect::Jayway, json, cases);
    jayway(
        r#"{"a":{"b":1,"c":2},"d":[1,[2],{"b":3}],"*":4,"x y":5,"it's":6}"#,
        &[
            ("$.a.b", "1"),
            ("a.b", "1"),
            ("@.a.b", "1"),
            (" $.a.b ", "1"),
            ("$['a']['b']", "1"),
            ("$.a['c','none','b']", "2 1"),
            (
                "$.['a'].['b' , \"c\"]",
                "! Found empty property at index 15",
            ),
            ("$.['a'].['b' , 'c']", "1 2"),
            ("$['a','d'].b", "1"),
            ("$.a.*", "1 2"),
            ("$.a[*]", "1 2"),
            ("$.d.*", "1 [2] {\"b\":3}"),
            ("$['*']", "4"),
            ("$['x y']", "5"),
            ("$[\"it's\"]", "6"),
            ("$['it\\'s']", "6"),
            ("$['\\u0061']['b']", "1"),
            ("$.d[0]", "1"),
            ("$.d[-1].b", "3"),
            ("$.d[0, -1]", "1 {\"b\":3}"),
            ("$.d[7]", ""),
            ("$.a[0]", ""),
            ("$.none.b", ""),
            ("$.a.b.c", ""),
        ],
    );
    jayway(
        "[1,2,3,4,5]",
        &[
            ("$[1:3]", "2 3"),
            ("$[:2]", "1 2"),
            ("$[3:]", "4 5"),
            ("$[-2:]", "4 5"),
            ("$[:-2]", "1 2 3"),
            ("$[-9:]", "1 2 3 4 5"),
            ("$[:-9]", ""),
            ("$[0:-1]", ""),
            ("$[-2:1]", "4 5 1"),
            ("$[-2147483648:2147483647]", "1 2 3 4 5 1 2 3 4 5"),
            ("$[0:4:2]", "1 2 3 4"),
        ],
    );
}

#[test]
fn jayway_scans() {
    check(
        Dialect::Jayway,
        STORE,
        &[
            (
                "$..author",
                r#""Nigel Rees" "Evelyn Waugh" "Herman Melville" "J. R. R. Tolkien""#,
            ),
            ("$.store..price", "8.95 12.99 8.99 22.99 19.95"),
            ("$..book[2].title", r#""Moby Dick""#),
            (
                "$..[?(@.isbn)].title",
                r#""Moby Dick" "The Lord of the Rings""#,
            ),
            (
                "$..['color','price']",
                "8.95 12.99 8.99 22.99 \"red\" 19.95",
            ),
        ],
    );
    check(
        Dialect::Jayway,
        r#"{"a":[1,{"b":2}],"b":{"b":3}}"#,
        &[
            ("$..b", r#"{"b":3} 2 3"#),
            ("$..*", r#"[1,{"b":2}] {"b":3} 1 {"b":2} 2 3"#),
            ("$..[0]", "1"),
            ("$..[1].b", "2"),
            ("$..[0].b", "2"),
            ("$..*.b", "3 2"),
        ],
    );
}

#[test]
fn jayway_filters() {
    let people = r#"[{"n":"Ann","age":30,"tags":["x","y"]},{"n":"Bob","age":"30","tags":[]},{"n":"","age":7.5},{"n":"zed","o":{}}]"#;
    let names = |condition: &str| run(&format!("$[?({condition})].n"), Dialect::Jayway, people);
    for (condition, expected) in [
        ("@.n == 'Ann'", "\"Ann\""),
        ("@.n==\"Ann\"", "\"Ann\""),
        ("@.n != 'Ann'", "\"Bob\" \"\" \"zed\""),
        ("@.age == 30", "\"Ann\" \"Bob\""),
        ("@.age === 30", "\"Ann\""),
        ("@.age !== 30", "\"Bob\" \"\" \"zed\""),
        ("@.age == '30'", "\"Ann\" \"Bob\""),
        ("@.age != 30", "\"\" \"zed\""),
        ("@.age < 30", "\"\""),
        ("@.age <= 30.0", "\"Ann\" \"\""),
        ("@.age > 7", "\"Ann\" \"\""),
        ("@.age >= 30", "\"Ann\""),
        ("@.n > 'B'", "\"Bob\" \"zed\""),
        ("@.age", "\"Ann\" \"Bob\" \"\""),
        ("!@.age", "\"zed\""),
        ("!(@.age)", "\"zed\""),
        ("@.n =~ /a.*/i", "\"Ann\""),
        ("@.n =~ /[AB].*/", "\"Ann\" \"Bob\""),
        ("@.n =~ /nn/", ""),
        ("@.tags =~ /x/", "\"Ann\""),
        ("@.n in ['Ann','zed']", "\"Ann\" \"zed\""),
        ("@.n in [Ann, \"zed\"]", "\"Ann\" \"zed\""),
        ("@.n nin ['Ann','zed']", "\"Bob\" \"\""),
        ("'x' in @.tags", "\"Ann\""),
        ("@.tags contains 'y'", "\"Ann\""),
        ("@.n contains 'o'", "\"Bob\""),
        ("@.tags all ['x','y']", "\"Ann\""),
        ("@.tags subsetof ['x','y','z']", "\"Ann\" \"Bob\""),
        ("@.tags size 2", "\"Ann\""),
        ("@.n size 3", "\"Ann\" \"Bob\" \"zed\""),
        ("@.tags empty true", "\"Bob\""),
        ("@.tags empty false", "\"Ann\""),
        ("@.n EMPTY true", "\"\""),
        ("@.o empty true", "\"zed\""),
        ("@.o == {}", "\"zed\""),
        ("@.tags == ['x', 'y']", "\"Ann\""),
        (
            "@.age == 30 && @.n == 'Bob' || @.n == 'zed'",
            "\"Bob\" \"zed\"",
        ),
        ("@.age == 30 && (@.n == 'Bob' || @.n == 'zed')", "\"Bob\""),
        ("@.age==30&&@.n=='Bob'", "\"Bob\""),
        ("@.tags[0] == 'x'", "\"Ann\""),
        ("@.tags[?(@ == 'y')]", "\"Ann\""),
        ("@['n'] == 'Ann'", "\"Ann\""),
        ("$[0].n == @.n", "\"Ann\""),
        ("@.none == null", ""),
        ("true == true", "\"Ann\" \"Bob\" \"\" \"zed\""),
    ] {
        assert_eq!(names(condition), expected, "{condition}");
    }
    // an object is tested itself
    check(
        Dialect::Jayway,
        r#"{"p":{"x":1,"y":2}}"#,
        &[
            ("$.p[?(@.x == 1)].y", "2"),
            ("$.p[?(@.x == 2)].y", ""),
            ("$[?(@.x)]", ""),
        ],
    );
}

#[test]
fn jayway_refusals() {
    check(
        Dialect::Jayway,
        "{}",
        &[
            ("", "! json can not be null or empty"),
            ("$.", "! Path must not end with a '.' or '..'"),
            ("$..", "! Path must not end with a '.' or '..'"),
            (
                "$a",
                "! Illegal character at position 1 expected '.' or '['",
            ),
            ("$...a", "! Character '.' on position 3 is not valid."),
            (
                "$.a.length()",
                "! Function length() at position 4 is not supported: a path selects values",
            ),
            (
                "$.a b",
                "! Use bracket notion ['my prop'] if your property contains blank characters. position: 2",
            ),
            (
                "$['a'",
                "! Property has not been closed - missing closing ]",
            ),
            ("$['a", "! Property has not been closed - missing closing '"),
            ("$['a',]", "! Found empty property at index 6"),
            (
                "$[a]",
                "! Could not parse token starting at position 1. Expected ?, ', 0-9, * ",
            ),
            (
                "$[*",
                "! Expected wildcard token to end with ']' on position 3",
            ),
            ("$[:]", "! Failed to parse SliceOperation: :"),
            ("$[::2]", "! Failed to parse SliceOperation: ::2"),
            (
                "$[1,x]",
                "! Failed to parse token in ArrayIndexOperation: x",
            ),
            (
                "$[?]",
                "! Not enough predicates supplied for filter [?] at position 1",
            ),
            (
                "$[?(@.a like 'x')]",
                "! Filter operator like is not supported!",
            ),
            ("$[?('a')]", "! Expected path node"),
            (
                "$[?(@.a == )]",
                "! Failed to parse filter: $[?(@.a == )], error on position: 11",
            ),
            (
                "$[?(@.a.size() > 1)]",
                "! Function size() at position 4 is not supported: a path selects values",
            ),
            (
                "$[?(@.a",
                "! Expected end of filter expression instead of: ",
            ),
            (
                "$[?(@.a =~ /x)]",
                "! Pattern not closed. Expected / in $[?(@.a =~ /x)]",
            ),
        ],
    );
    for hostile in ["[?(", "[?(!", "[?((", "[", "..*", "[?(@", "[?(1 in ["] {
        let path = format!("${}", hostile.repeat(50_000));
        run(&path, Dialect::Jayway, "{}");
        run(&path, Dialect::Gatling, "{}");
        run(
            &format!("$[?({}", "(".repeat(50_000)),
            Dialect::Jayway,
            "{}",
        );
        run(
            &format!("$[?(@.a in {}", "[".repeat(50_000)),
            Dialect::Jayway,
            "{}",
        );
    }
}

fn changed(path: &str, json: &str) -> (String, Vec<String>) {
    let mut value = parse(json).unwrap().unwrap();
    let mut seen = Vec::new();
    let path = JsonPath::compile(path, Dialect::Jayway).unwrap();
    path.select_mut(&mut value, &mut |value| {
        seen.push(value.to_compact());
        if let Value::String(text) = value {
            *text = format!("#{text}").into();
        }
    });
    (value.to_compact(), seen)
}

#[test]
fn values_are_changed_in_place() {
    let json = r#"{"a":"1","b":{"a":"2","c":["3","4",{"a":"5"}]}}"#;
    for (path, expected, seen) in [
        (
            "$.a",
            r##"{"a":"#1","b":{"a":"2","c":["3","4",{"a":"5"}]}}"##,
            r#""1""#,
        ),
        ("$.none", json, ""),
        ("$.a.none", json, ""),
        (
            "$['none','a']",
            r##"{"a":"#1","b":{"a":"2","c":["3","4",{"a":"5"}]}}"##,
            r#""1""#,
        ),
        (
            "$..a",
            r##"{"a":"#1","b":{"a":"#2","c":["3","4",{"a":"#5"}]}}"##,
            r#""1" "2" "5""#,
        ),
        (
            "$.b.c[1,0]",
            r##"{"a":"1","b":{"a":"2","c":["#3","#4",{"a":"5"}]}}"##,
            r#""4" "3""#,
        ),
        (
            "$['a','a']",
            r##"{"a":"#1","b":{"a":"2","c":["3","4",{"a":"5"}]}}"##,
            r#""1""#,
        ),
        (
            "$.b.c[2].a",
            r##"{"a":"1","b":{"a":"2","c":["3","4",{"a":"#5"}]}}"##,
            r#""5""#,
        ),
        (
            "$.b.c[?(@.a)].a",
            r##"{"a":"1","b":{"a":"2","c":["3","4",{"a":"#5"}]}}"##,
            r#""5""#,
        ),
    ] {
        let (text, calls) = changed(path, json);
        assert_eq!(
            (text.as_str(), calls.join(" ").as_str()),
            (expected, seen),
            "{path}"
        );
    }
    let mut root = Value::string("x");
    let path = JsonPath::compile("$", Dialect::Jayway).unwrap();
    path.select_mut(&mut root, &mut |value| *value = Value::Null);
    assert_eq!(root, Value::Null);
    // what a change removed is not found any more
    let mut value = parse(r#"{"a":{"a":{"a":1}}}"#).unwrap().unwrap();
    let path = JsonPath::compile("$..a", Dialect::Jayway).unwrap();
    let mut calls = 0;
    path.select_mut(&mut value, &mut |value| {
        calls += 1;
        *value = Value::Null;
    });
    assert_eq!((value.to_compact().as_str(), calls), (r#"{"a":null}"#, 1));
}

#[test]
fn hostile_jsons_end() {
    // long chains of ways: exact would be a number of a hundred digits
    let deep = format!("{}1{}", "{\"a\":".repeat(900), "}".repeat(900));
    let value = parse(&deep).unwrap().unwrap();
    let wide = format!("[{}1]", "{\"a\":[1,2,{\"b\":[[3]]}]},".repeat(20_000));
    let wide = parse(&wide).unwrap().unwrap();
    let start = std::time::Instant::now();
    for dialect in [Dialect::Gatling, Dialect::Jayway] {
        let path = JsonPath::compile(&format!("${}", "..*".repeat(40)), dialect).unwrap();
        let found = path.select(&value);
        assert_eq!(found.len(), 900 - 39, "every value once");
        assert!(path.select(&wide).is_empty());
        let path = JsonPath::compile("$[?(@.a == $..*[?(@..* == $..*)])]", dialect);
        let path = path
            .or_else(|_| JsonPath::compile("$[?($..a)]", dialect))
            .unwrap();
        path.select(&wide);
    }
    assert!(start.elapsed().as_secs() < 60);
    // no value is spared for want of time
    let path = JsonPath::compile("$[?($..b[?($..b == 5)])].a[*]", Dialect::Jayway).unwrap();
    let mut wide = wide.into_owned();
    let mut calls = 0;
    path.select_mut(&mut wide, &mut |_| calls += 1);
    assert_eq!(calls, 60_000);
}

#[test]
fn reference_cases() {
    let Some(cases) = crate::json::golden::read("enrich/unit/utils/JsonPathSpec.json") else {
        return;
    };
    let mut checked = 0;
    for case in cases["cases"].as_array().unwrap() {
        let Some(expected) = case["expect"]["success"].as_array() else {
            continue;
        };
        let args = case["actual"]["args"].as_array().unwrap();
        let json = args[1]["json"].to_string();
        let expected: Vec<_> = expected.iter().map(|e| e["json"].to_string()).collect();
        let found = run(args[0].as_str().unwrap(), Dialect::Gatling, &json);
        assert_eq!(found, expected.join(" "), "{}", case["name"]);
        checked += 1;
    }
    assert!(checked >= 3);
}
