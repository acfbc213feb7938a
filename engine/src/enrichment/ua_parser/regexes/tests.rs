//! Rules of the three lists, over files written for these tests.

use super::*;

const OLD: &str = r#"
user_agent_parsers:
  - regex: '(Nameless)?/none'
  - regex: 'Mobile.*(Fox)/(\d+)\.(\d+)'
    family_replacement: 'Fox Mobile'
  - regex: '(Fox|Wolf)/(\d+)\.(\d+)\.?(\d+)?'
    family_replacement: 'Wild ($1) $1'
  - regex: '(Cub)?Bear/(\d+)'
    family_replacement: 'Bear of $1'
  - regex: '(Lynx) (\d+)\.(\d+)\.(\d+)'
    v2_replacement: '7'
    v3_replacement: '8'
  - regex: '(Owl) (\d+)\.(\d+)\.(\d+)'
    v1_replacement: 1
  - regex: '/none'
    family_replacement: 'Named'
os_parsers:
  - regex: 'Win (XP)'
    os_replacement: 'Windows $1'
  - regex: 'Win (\S+)'
    os_replacement: 'Windows'
    os_v1_replacement: 'NT'
  - regex: '(Tux) (\d+)\.(\d+)\.(\d+)\.(\d+)'
device_parsers:
  - regex: '; (\w+ ?)Phone'
    device_replacement: 'Phone of $1'
  - regex: '(Pad)'
"#;

fn regexes(text: &str) -> Regexes {
    Regexes::from_yaml(text, "test.yaml").unwrap()
}

fn agent(regexes: &Regexes, useragent: &str) -> [Option<String>; 4] {
    let agent = regexes.read(useragent).unwrap().agent;
    [Some(agent.family), agent.major, agent.minor, agent.patch]
}

fn texts<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
    texts.map(|text| (text != "-").then(|| text.to_owned()))
}

#[test]
fn user_agents() {
    let regexes = regexes(OLD);
    for (useragent, expected) in [
        ("", ["Other", "-", "-", "-"]),
        ("fox/1.2", ["Other", "-", "-", "-"]),
        ("Fox/1.2", ["Wild (Fox) $1", "1", "2", "-"]),
        ("x Wolf/1.2.34b", ["Wild (Wolf) $1", "1", "2", "34"]),
        ("Mobile Fox/1.2", ["Fox Mobile", "1", "2", "-"]),
        ("Fox/1.2 Mobile", ["Wild (Fox) $1", "1", "2", "-"]),
        ("CubBear/3", ["Bear of Cub", "3", "-", "-"]),
        ("Bear/3", ["Bear of $1", "3", "-", "-"]),
        ("Lynx 1.2.3", ["Lynx", "1", "7", "-"]),
        ("Owl 3.2.1", ["Owl", "1", "2", "1"]),
        // found, but without a family
        ("/none", ["Named", "-", "-", "-"]),
        ("Fox/\u{661}.2 日本 Owl 3.2.1", ["Owl", "1", "2", "1"]),
    ] {
        assert_eq!(agent(&regexes, useragent), texts(expected), "{useragent}");
    }
}

#[test]
fn systems_and_devices_of_old_files() {
    let regexes = regexes(OLD);
    for (useragent, system, version, device) in [
        (
            "Win XP; H Phone",
            ["Windows XP", "-", "-", "-", "-"],
            "Windows XP",
            "Phone of H ",
        ),
        (
            "Win 7 Pad",
            ["Windows", "NT", "-", "-", "-"],
            "Windows NT",
            "Pad",
        ),
        (
            "Tux 1.2.3.4",
            ["Tux", "1", "2", "3", "4"],
            "Tux 1.2.3.4",
            "Other",
        ),
        ("Tux 1.2.3", ["Other", "-", "-", "-", "-"], "Other", "Other"),
    ] {
        let read = regexes.read(useragent).unwrap();
        assert_eq!(read.system.version(), version, "{useragent}");
        assert_eq!(read.device, device, "{useragent}");
        let s = read.system;
        let found = [Some(s.family), s.major, s.minor, s.patch, s.patch_minor];
        assert_eq!(found, texts(system), "{useragent}");
    }
}

#[test]
fn rules_of_later_files() {
    let regexes = regexes(
        r#"
user_agent_parsers:
  - regex: '(Fox)'
    regex_flag: 'i'
os_parsers:
  - regex: '(Win|Lin)(?: (\d)(x)?)?'
    os_replacement: '$1dows'
    os_v1_replacement: '$2'
    os_v2_replacement: ' $3'
    os_v3_replacement: 'three'
    os_v4_replacement: '$$4$'
device_parsers:
  - regex: 'tab-(\w+)( \d)?( y)?'
    regex_flag: 'i'
    device_replacement: '$2 $1$3$9 '
    brand_replacement: 'b'
    model_replacement: 'm'
  - regex: '(x)?z'
    device_replacement: '$1'
"#,
    );
    for (useragent, family, system, device) in [
        ("FOX Win 8x; TAB-a 1", "FOX", "Windows 8.x.three.$$", "1 a"),
        ("Lin; tab-a y", "Other", "Lindows.three.$$", "a y"),
        ("z", "Other", "Other", ""),
    ] {
        let read = regexes.read(useragent).unwrap();
        assert_eq!(read.agent.family, family, "{useragent}");
        assert_eq!(read.system.version(), system, "{useragent}");
        assert_eq!(read.device, device, "{useragent}");
    }
}

#[test]
fn errors_name_the_entry() {
    let errors = |text: &str| Regexes::from_yaml(text, "r.yaml").unwrap_err();
    let yaml = r#"
user_agent_parsers:
  - regex: 'a'
  - regex: 'b('
os_parsers:
  - regex: '[z-a]'
device_parsers:
  - regex: 'a'
    regex_flag: 'x'
"#;
    assert_eq!(
        errors(yaml),
        [
            "r.yaml: device_parsers, entry 1: regex_flag 'x' is not known, only 'i' is",
            "r.yaml: user_agent_parsers, entry 2: regex 'b(': Unclosed group near index 2",
            "r.yaml: os_parsers, entry 1: regex '[z-a]': Illegal character range near index 4",
        ]
    );
    for (text, part) in [
        ("", "r.yaml: not the regexes of uap-core"),
        ("os_parsers: []", "user_agent_parsers"),
        ("user_agent_parsers: []\nos_parsers: []", "device_parsers"),
        ("{", "r.yaml: not the regexes of uap-core"),
        ("user_agent_parsers: 7", "r.yaml"),
        ("user_agent_parsers:\n- family: x", "regex"),
    ] {
        let errors = errors(text);
        assert!(errors[0].contains(part), "{text}: {errors:?}");
    }
    let empty = regexes("user_agent_parsers: []\nos_parsers: []\ndevice_parsers: []");
    assert_eq!(empty.read("Fox").unwrap().device, "Other");
}

#[test]
fn only_the_beginning_of_a_long_user_agent_is_read() {
    let regexes = regexes(OLD);
    let near = format!("{}Fox/1.2", "é".repeat(LONGEST / 2 - 10));
    assert_eq!(regexes.read(&near).unwrap().agent.family, "Wild (Fox) $1");
    let far = format!("{}Fox/1.2", "é".repeat(LONGEST / 2 - 2));
    assert_eq!(regexes.read(&far).unwrap().agent.family, "Other");
}

#[test]
fn what_one_enrichment_read_is_there_for_the_other() {
    let regexes =
        regexes("{user_agent_parsers: [{regex: '(Fox)'}], os_parsers: [], device_parsers: []}");
    let waiting = || regexes.lately.lock().unwrap().len();
    for round in 0..3 {
        let useragent = format!("Fox {round}");
        let read = regexes.read_lately(&useragent);
        assert_eq!(read, regexes.read(&useragent));
        assert_eq!(waiting(), 1);
        assert_eq!(regexes.read_lately(&useragent), read);
        assert_eq!(waiting(), 0);
    }
    for number in 0..100 {
        let read = regexes.read_lately(&format!("Fox {number}")).unwrap();
        assert_eq!(read.agent.family, "Fox");
        assert!((1..=MOST_LATELY).contains(&waiting()));
    }
}
