//! `camonica.hosts`: the machines of target `hosts`. Each is a text, `host`, `user@host` or `user@host:port` (an IPv6 address in
//! brackets), or a map:
//!
//! ```yaml
//! camonica:
//!   target: hosts
//!   hosts:
//!     - 10.0.0.1
//!     - {host: 10.0.0.2, user: ec2-user, port: 22, identity: /home/me/.ssh/id, folder: /mnt/camonica, options: [UserKnownHostsFile=/etc/camonica/known_hosts]}
//! ```

use std::path::PathBuf;

use super::problem::Problem;
use super::reader::Reader;
use super::reader::typed::Item;

/// Where the engine is put below the home folder of the user, unless `folder` says otherwise.
const FOLDER: &str = ".camonica";
/// Keys of a host's map.
const KEYS: [&str; 6] = ["host", "user", "port", "identity", "folder", "options"];

/// A machine that is reached by SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address, or the name of an entry in SSH's own configuration.
    pub host: String,
    /// The user; absent: SSH's own choice.
    pub user: Option<String>,
    /// The port; absent: SSH's own choice.
    pub port: Option<u16>,
    /// File of the private key.
    pub identity: Option<PathBuf>,
    /// Where the engine is put: a path, or relative to the user's home folder.
    pub folder: String,
    /// Options of SSH, `Name=value`.
    pub options: Vec<String>,
}

impl Host {
    /// A machine with the defaults of all settings.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            user: None,
            port: None,
            identity: None,
            folder: FOLDER.into(),
            options: Vec::new(),
        }
    }

    /// The host of a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some(""))),
            None => match rest.split_once(':') {
                // more than one colon: an address of IPv6 without a port
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (rest, None),
            },
        };
        let port = match port {
            Some(port) => Some(port_of(port)?),
            None => None,
        };
        let host = Self {
            user,
            port,
            ..Self::new(host)
        };
        host.check()?;
        Ok(host)
    }

    /// Refuses what SSH would take for an option, or a shell for more than a word.
    fn check(&self) -> Result<(), String> {
        let is_name = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-:%".contains(c))
        };
        if !is_name(&self.host) {
            return Err(format!(
                "expected the name or address of a machine, found '{}'",
                self.host
            ));
        }
        if let Some(user) = self.user.as_deref().filter(|user| !is_name(user)) {
            return Err(format!("expected the name of a user, found '{user}'"));
        }
        let is_folder = self
            .folder
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
        if self.folder.is_empty() || self.folder.starts_with('-') || !is_folder {
            return Err(format!(
                "expected a folder of letters, digits and /._-+, found '{}'",
                self.folder
            ));
        }
        for option in &self.options {
            let name = option.split(['=', ' ']).next().unwrap_or_default();
            let is_good = option.len() > name.len() + 1
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric())
                && !option.chars().any(char::is_control);
            if !is_good {
                return Err(format!(
                    "expected an option of SSH, Name=value, found '{option}'"
                ));
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

fn port_of(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("expected a port from 1 to 65535, found '{text}'")),
    }
}

/// Reads the list.
pub(super) fn read(reader: &mut Reader<'_>, path: &str) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    for (index, (line, item)) in reader.texts_or_maps(path).into_iter().enumerate() {
        let host = match item {
            Item::Text(text) => Host::parse(&text),
            Item::Map(entries) => of_map(&entries),
        };
        let place = format!("{path}[{index}]");
        match host {
            Ok(host) if hosts.contains(&host) => {
                let text = format!("{host} is in the list already");
                reader.problem(Problem::new(place, text).at(line));
            }
            Ok(host) => hosts.push(host),
            Err(text) => reader.problem(Problem::new(place, text).at(line)),
        }
    }
    hosts
}

fn of_map(entries: &[(String, Vec<String>)]) -> Result<Host, String> {
    let mut host = Host::new("");
    for (key, values) in entries {
        let one = match values.as_slice() {
            [] => continue,
            [one] => one.clone(),
            _ if key == "options" => String::new(),
            _ => return Err(format!("{key}: expected a text, found a list")),
        };
        match key.as_str() {
            "host" => host.host = one,
            "user" => host.user = Some(one),
            "port" => host.port = Some(port_of(&one)?),
            "identity" => host.identity = Some(PathBuf::from(one)),
            "folder" => host.folder = one,
            "options" => host.options.clone_from(values),
            other => {
                return Err(format!(
                    "unknown key '{other}': there are {}",
                    KEYS.join(", ")
                ));
            }
        }
    }
    host.check()?;
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{problem::lines, yaml};

    #[test]
    fn texts() {
        for (text, shown) in [
            ("10.0.0.1", Ok("10.0.0.1")),
            (
                "ec2-user@node-1.example.com:2222",
                Ok("ec2-user@node-1.example.com:2222"),
            ),
            ("fe80::1%eth0", Ok("fe80::1%eth0")),
            ("me@[fe80::1]:22", Ok("me@[fe80::1]:22")),
            ("[fe80::1]", Ok("fe80::1")),
            ("-oProxyCommand=x", Err("expected the name or address")),
            ("a b", Err("expected the name or address")),
            ("a;b", Err("expected the name or address")),
            ("", Err("expected the name or address")),
            ("@a", Err("expected the name of a user")),
            ("-x@a", Err("expected the name of a user")),
            ("a:0", Err("expected a port")),
            ("a:", Err("expected a port")),
            ("[a]x", Err("expected a port")),
        ] {
            match (Host::parse(text), shown) {
                (Ok(host), Ok(shown)) => assert_eq!(host.to_string(), shown),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    fn of_yaml(text: &str) -> (Vec<Host>, String) {
        let (tree, _) = yaml::parse(text).unwrap();
        let unset = std::collections::BTreeMap::new();
        let mut reader = Reader::new(&tree, &unset);
        let hosts = read(&mut reader, "camonica.hosts");
        let mut problems = reader.unknown_keys();
        problems.extend(reader.into_problems());
        (hosts, lines(&problems))
    }

    #[test]
    fn lists_of_both_kinds() {
        let text = "camonica:
  hosts:
    - a
    - {host: b, user: me, port: 2222, identity: /k, folder: /mnt/x, options: [A=1, 'B two']}
    - host: c
      options: Compression=yes
";
        let (hosts, problems) = of_yaml(text);
        assert_eq!(problems, "");
        assert_eq!(hosts[0], Host::new("a"));
        let (b, c) = (&hosts[1], &hosts[2]);
        assert_eq!(
            (b.to_string().as_str(), b.folder.as_str()),
            ("me@b:2222", "/mnt/x")
        );
        assert_eq!(
            (b.options.len(), &c.options[..]),
            (2, &["Compression=yes".to_owned()][..])
        );
        assert_eq!(b.identity, Some(PathBuf::from("/k")));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (item, problem) in [
            (
                "{host: b, prot: 1}",
                "camonica.hosts[0]: unknown key 'prot': there are host, user, port, identity, folder, options (line 3)",
            ),
            (
                "{user: b}",
                "camonica.hosts[0]: expected the name or address of a machine, found '' (line 3)",
            ),
            (
                "{host: b, port: x}",
                "camonica.hosts[0]: expected a port from 1 to 65535, found 'x' (line 3)",
            ),
            (
                "{host: b, folder: 'a b'}",
                "camonica.hosts[0]: expected a folder of letters, digits and /._-+, found 'a b' (line 3)",
            ),
            (
                "{host: b, options: [nonsense]}",
                "camonica.hosts[0]: expected an option of SSH, Name=value, found 'nonsense' (line 3)",
            ),
            (
                "{host: [b, c]}",
                "camonica.hosts[0]: host: expected a text, found a list (line 3)",
            ),
            (
                "[b]",
                "camonica.hosts[0]: expected a text or a map, found a list (line 3; write the value alone, without a list)",
            ),
        ] {
            let (_, problems) = of_yaml(&format!("camonica:\n  hosts:\n    - {item}\n"));
            assert_eq!(problems, problem);
        }
        let (hosts, problems) = of_yaml("camonica: {hosts: [a, b, a]}");
        assert_eq!(hosts.len(), 2);
        assert!(
            problems.contains("camonica.hosts[2]: a is in the list already"),
            "{problems}"
        );
        assert!(
            of_yaml("camonica: {hosts: a}")
                .1
                .contains("expected a list of machines")
        );
    }
}
