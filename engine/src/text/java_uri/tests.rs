//! What `java.net.URI` of a JDK made of these texts.

use super::*;

/// Accepted: the text, and the parts that are not null (or -1): s(cheme), a(uthority), u(ser info), h(ost),
/// port, p(ath), q(uery), f(ragment).
const GOOD: [(&str, &str); 62] = [
    ("", "p="),
    ("-", "p=-"),
    ("/a/b?c#d", "p=/a/b q=c f=d"),
    ("a?b#c", "p=a q=b f=c"),
    ("#", "p= f="),
    ("?", "p= q="),
    ("///", "p=/"),
    ("//x", "a=x h=x p="),
    ("http:?q", "s=http"),
    ("http:///x", "s=http p=/x"),
    ("http://?q", "s=http p= q=q"),
    ("http://#f", "s=http p= f=f"),
    ("mailto:a@b#f", "s=mailto f=f"),
    ("about:blank", "s=about"),
    ("HTTPS://Ex.com/", "s=HTTPS a=Ex.com h=Ex.com p=/"),
    ("http://ex.com:/", "s=http a=ex.com: h=ex.com p=/"),
    (
        "http://ex.com:8080/x",
        "s=http a=ex.com:8080 h=ex.com port=8080 p=/x",
    ),
    (
        "http://u:p@ex.com:1?q",
        "s=http a=u:p@ex.com:1 u=u:p h=ex.com port=1 p= q=q",
    ),
    (
        "http://u%40v@ex.com/",
        "s=http a=u%40v@ex.com u=u%40v h=ex.com p=/",
    ),
    ("http://u@v@ex.com/", "s=http a=u@v@ex.com p=/"),
    ("http://@ex.com/", "s=http a=@ex.com u= h=ex.com p=/"),
    ("http://a_b.com/x", "s=http a=a_b.com p=/x"),
    ("http://-a.com/", "s=http a=-a.com p=/"),
    ("http://a-.com", "s=http a=a-.com p="),
    ("http://a..b/", "s=http a=a..b p=/"),
    ("http://.a/", "s=http a=.a p=/"),
    ("http://ex.com.", "s=http a=ex.com. h=ex.com. p="),
    ("http://ex.com./", "s=http a=ex.com. h=ex.com. p=/"),
    ("http://a.1b/", "s=http a=a.1b p=/"),
    ("http://1a/", "s=http a=1a h=1a p=/"),
    ("http://1/", "s=http a=1 h=1 p=/"),
    ("http://1.2/", "s=http a=1.2 p=/"),
    (
        "http://1.2.3.4:80/",
        "s=http a=1.2.3.4:80 h=1.2.3.4 port=80 p=/",
    ),
    ("http://1.2.3.256/", "s=http a=1.2.3.256 p=/"),
    ("http://1.2.3.4.5/", "s=http a=1.2.3.4.5 p=/"),
    ("http://1.2.3.4./", "s=http a=1.2.3.4. p=/"),
    ("http://1.2.3.4a/", "s=http a=1.2.3.4a p=/"),
    (
        "http://99999999999.1.1.1/",
        "s=http a=99999999999.1.1.1 p=/",
    ),
    ("http://é.com/é?ü=ö#ß", "s=http a=é.com p=/é q=ü=ö f=ß"),
    ("http://ex.com:80a/", "s=http a=ex.com:80a p=/"),
    (
        "http://ex.com:99999999999/",
        "s=http a=ex.com:99999999999 p=/",
    ),
    (
        "http://ex.com:2147483647/",
        "s=http a=ex.com:2147483647 h=ex.com port=2147483647 p=/",
    ),
    ("http://ex.com:-1/", "s=http a=ex.com:-1 p=/"),
    ("http://a:b:c/", "s=http a=a:b:c p=/"),
    ("http://a~b!/", "s=http a=a~b! p=/"),
    ("http://%41/", "s=http a=%41 p=/"),
    ("http://[::1]:80/", "s=http a=[::1]:80 h=[::1] port=80 p=/"),
    ("http://u@[::1]", "s=http a=u@[::1] u=u h=[::1] p="),
    ("http://[::]/", "s=http a=[::] h=[::] p=/"),
    (
        "http://[1:2:3:4:5:6:7:8]/",
        "s=http a=[1:2:3:4:5:6:7:8] h=[1:2:3:4:5:6:7:8] p=/",
    ),
    (
        "http://[1:2:3:4:5:6:7::]/",
        "s=http a=[1:2:3:4:5:6:7::] h=[1:2:3:4:5:6:7::] p=/",
    ),
    (
        "http://[::1.2.3.4]/",
        "s=http a=[::1.2.3.4] h=[::1.2.3.4] p=/",
    ),
    (
        "http://[1:2:3:4:5:6:1.2.3.4]/",
        "s=http a=[1:2:3:4:5:6:1.2.3.4] h=[1:2:3:4:5:6:1.2.3.4] p=/",
    ),
    (
        "http://[fe80::1%eth0]:1/",
        "s=http a=[fe80::1%eth0]:1 h=[fe80::1%eth0] port=1 p=/",
    ),
    (
        "http://[fe80::1%25a]/",
        "s=http a=[fe80::1%25a] h=[fe80::1%25a] p=/",
    ),
    ("h+t-t.p:c", "s=h+t-t.p"),
    (
        "http://ex.com/?[x]&%41",
        "s=http a=ex.com h=ex.com p=/ q=[x]&%41",
    ),
    ("http://ex.com/?a?/b", "s=http a=ex.com h=ex.com p=/ q=a?/b"),
    ("http://ex.com/#[x]", "s=http a=ex.com h=ex.com p=/ f=[x]"),
    (
        "http://ex.com/\u{200b}",
        "s=http a=ex.com h=ex.com p=/\u{200b}",
    ),
    ("a/b:c", "p=a/b:c"),
    (
        "http://ex.com/-_.!~*'();:@&=+$,",
        "s=http a=ex.com h=ex.com p=/-_.!~*'();:@&=+$,",
    ),
];

/// Refused: the text, and the message before `: {text}`.
const BAD: [(&str, &str); 62] = [
    ("//", "Expected authority at index 2"),
    ("http:", "Expected scheme-specific part at index 5"),
    ("http:#f", "Expected scheme-specific part at index 5"),
    ("http://", "Expected authority at index 7"),
    ("urn:é|", "Illegal character in opaque part at index 5"),
    ("http://%4/", "Malformed escape pair at index 7"),
    (
        "http://a|b.com/",
        "Illegal character in authority at index 7",
    ),
    ("http://a b/", "Illegal character in authority at index 7"),
    ("http://u|@h/", "Illegal character in authority at index 7"),
    ("http://a[b/", "Illegal character in hostname at index 8"),
    ("http://a]/", "Illegal character in hostname at index 8"),
    ("http://]a%zz/", "Malformed escape pair at index 9"),
    (
        "http://[/",
        "Expected closing bracket for IPv6 address at index 8",
    ),
    (
        "http://[]/",
        "Expected closing bracket for IPv6 address at index 8",
    ),
    (
        "http://[::1/",
        "Expected closing bracket for IPv6 address at index 11",
    ),
    ("http://::1]/", "Expected hostname at index 7"),
    ("http://[::1]x", "Expected port number at index 12"),
    (
        "http://[1:2:3:4:5:6:7]/",
        "IPv6 address too short at index 8",
    ),
    (
        "http://[1:2:3:4:5:6:7:8:9]/",
        "IPv6 address too long at index 8",
    ),
    (
        "http://[1:2:3:4:5:6:7:8::]/",
        "Malformed IPv6 address at index 8",
    ),
    (
        "http://[1::2::3]/",
        "Expected hex digits or IPv4 address at index 13",
    ),
    (
        "http://[12345::]/",
        "IPv6 hexadecimal digit sequence too long at index 8",
    ),
    (
        "http://[::12345]/",
        "IPv6 hexadecimal digit sequence too long at index 10",
    ),
    (
        "http://[::g]/",
        "Expected hex digits or IPv4 address at index 10",
    ),
    (
        "http://[1:]/",
        "Expected digits for an IPv6 address at index 10",
    ),
    ("http://[:1]/", "Malformed IPv6 address at index 8"),
    ("http://[1.2.3.4]/", "Malformed IPv6 address at index 8"),
    (
        "http://[::ffff:1.2.3.256]/",
        "Malformed IPv4 address at index 21",
    ),
    ("http://[::1.2.3]/", "Malformed IPv4 address at index 15"),
    ("http://[1:1.2.3.4]/", "IPv6 address too short at index 8"),
    (
        "http://[1:2:3:4:5:6:7.8]/",
        "Malformed IPv4 address at index 23",
    ),
    ("http://[fe80::1%]/", "scope id expected"),
    (
        "http://[fe80::1%a-b]/",
        "Illegal character in scope id at index 17",
    ),
    ("http://[%a]/", "Malformed IPv6 address at index 8"),
    (":a", "Expected scheme name at index 0"),
    ("1a:b", "Illegal character in scheme name at index 0"),
    ("é:b", "Illegal character in scheme name at index 0"),
    ("a_b:c", "Illegal character in scheme name at index 1"),
    ("a%41b:c", "Illegal character in scheme name at index 1"),
    ("a b:c", "Illegal character in scheme name at index 1"),
    ("http://ex.com/a|b", "Illegal character in path at index 15"),
    ("http://ex.com/a b", "Illegal character in path at index 15"),
    (
        "http://ex.com/a\\b",
        "Illegal character in path at index 15",
    ),
    ("http://ex.com/[x]", "Illegal character in path at index 14"),
    ("http://ex.com/%zz", "Malformed escape pair at index 14"),
    ("http://ex.com/a%4", "Malformed escape pair at index 15"),
    ("http://ex.com/a%", "Malformed escape pair at index 15"),
    ("http://ex.com/%4é", "Malformed escape pair at index 14"),
    (
        "http://ex.com/?a|b",
        "Illegal character in query at index 16",
    ),
    (
        "http://ex.com/?\"",
        "Illegal character in query at index 15",
    ),
    (
        "http://ex.com/#a#b",
        "Illegal character in fragment at index 16",
    ),
    ("http://ex.com/#%zz", "Malformed escape pair at index 15"),
    ("http://ex.com/é<", "Illegal character in path at index 15"),
    ("http://ex.com/😀<", "Illegal character in path at index 16"),
    (
        "http://ex.com/\u{a0}",
        "Illegal character in path at index 14",
    ),
    (
        "http://ex.com/\u{85}",
        "Illegal character in path at index 14",
    ),
    (
        "http://ex.com/\u{2028}",
        "Illegal character in path at index 14",
    ),
    (
        "http://ex.com/\u{3000}",
        "Illegal character in path at index 14",
    ),
    ("http://ex.com/\t", "Illegal character in path at index 14"),
    (
        "http://ex.com/\u{7f}",
        "Illegal character in path at index 14",
    ),
    ("//😀/%", "Malformed escape pair at index 5"),
    ("x:😀^", "Illegal character in opaque part at index 4"),
];

fn show(uri: &JavaUri) -> String {
    let port = (uri.port != -1).then(|| uri.port.to_string());
    let parts = [
        ("s", &uri.scheme),
        ("a", &uri.authority),
        ("u", &uri.user_info),
        ("h", &uri.host),
        ("port", &port),
        ("p", &uri.path),
        ("q", &uri.query),
        ("f", &uri.fragment),
    ];
    let shown: Vec<String> = parts
        .iter()
        .filter_map(|(name, part)| part.as_ref().map(|part| format!("{name}={part}")))
        .collect();
    shown.join(" ")
}

#[test]
fn accepted_texts() {
    for (text, expected) in GOOD {
        let uri = JavaUri::parse(text);
        assert_eq!(uri.as_ref().map(show).as_deref(), Ok(expected), "{text}");
        assert_eq!(uri.map(|uri| uri.text).as_deref(), Ok(text));
    }
}

#[test]
fn refused_texts() {
    for (text, expected) in BAD {
        assert_eq!(JavaUri::parse(text), Err(format!("{expected}: {text}")));
    }
}

#[test]
fn rules_of_java_8() {
    // a space until Unicode 6.3
    assert!(JavaUri::parse("/\u{180e}").is_err());
    // an exception of another class passes through
    assert_eq!(
        JavaUri::parse("http://[::99999999999.1.1.1]/"),
        Err("For input string: \"99999999999\"".to_owned())
    );
}

#[test]
fn hostile_texts_end() {
    for part in ["[", "a.", "1.", ":", "@", "%", "é", "a:", "[::", "0"] {
        let long = part.repeat(50_000);
        for head in [
            "",
            "//",
            "http://",
            "http://[",
            "http://[::",
            "x:",
            "?",
            "#",
        ] {
            let _ = JavaUri::parse(&format!("{head}{long}"));
        }
    }
}
