//! The authority of a URI: server-based (`[user info@]host[:port]`) or registry-based.
//!
//! A text that is no server-based authority may still be a registry-based one; then there is no
//! host, no user information and no port. IPv6 addresses follow RFC 2373, with a scope id.

use super::{Failure, Parser, Reason, Step, class};

impl Parser<'_> {
    /// Parses the whole range as an authority.
    pub(super) fn authority(&mut self, start: usize, end: usize) -> Step<()> {
        // a scope id may follow a percent sign, which is only told from an escape later
        let server_mask = if self.at(start, end, b']') {
            class::SERVER
        } else {
            class::SERVER | class::PERCENT
        };
        let server = self.scan(start, end, server_mask)? == end;
        let registry = self.scan(start, end, class::REG_NAME)? == end;
        let mut failure = Failure::illegal("authority", start);
        if server {
            let outcome = self.server(start, end).and_then(|stop| {
                if stop < end {
                    Err(Failure::expected("end of authority", stop))
                } else {
                    Ok(())
                }
            });
            match outcome {
                Ok(()) => {
                    self.parts.authority = self.slice(start, end);
                    return Ok(());
                }
                // Java does not catch this one
                Err(thrown) if matches!(thrown.reason, Reason::Number(..)) => return Err(thrown),
                Err(thrown) => {
                    self.parts.user_info = None;
                    self.parts.host = None;
                    self.parts.port = -1;
                    failure = thrown;
                }
            }
        }
        if registry {
            self.parts.authority = self.slice(start, end);
            return Ok(());
        }
        Err(failure)
    }

    /// `[user info@]host[:port]`; returns where it ends.
    fn server(&mut self, start: usize, end: usize) -> Step<usize> {
        let mut at = start;
        let sign = self.find(at, end, b'@');
        if sign < end {
            self.check(at, sign, class::USER_INFO, "user info")?;
            self.parts.user_info = self.slice(at, sign);
            at = sign + 1;
        }
        if self.at(at, end, b'[') {
            at += 1;
            let close = self.find(at, end, b']');
            if close <= at || close == end {
                return Err(Failure::expected("closing bracket for IPv6 address", close));
            }
            let percent = self.find(at, close, b'%');
            if percent > at && percent < close {
                self.ipv6(at, percent)?;
                if percent + 1 == close {
                    return Err(Failure {
                        reason: Reason::Plain("scope id expected"),
                        at: None,
                    });
                }
                let stop = self.run(percent + 1, close, class::SCOPE_ID);
                if stop < close {
                    return Err(Failure::illegal("scope id", stop));
                }
            } else {
                self.ipv6(at, close)?;
            }
            self.parts.host = self.slice(at - 1, close + 1);
            at = close + 1;
        } else {
            at = match self.ipv4_host(at, end) {
                Some(stop) => stop,
                None => self.hostname(at, end)?,
            };
        }
        if self.at(at, end, b':') {
            at += 1;
            if at < end {
                let stop = self.run(at, end, class::DIGIT);
                if stop < end {
                    return Err(Failure::illegal("port number", stop));
                }
                let port = self.slice(at, end).and_then(|p| p.parse().ok());
                self.parts.port = port.ok_or(Failure::plain("Malformed port number", at))?;
                at = end;
            }
        }
        if at < end {
            return Err(Failure::expected("port number", at));
        }
        Ok(at)
    }

    /// An IPv4 address as host, followed by nothing or a colon.
    fn ipv4_host(&mut self, start: usize, end: usize) -> Option<usize> {
        let stop = self.ipv4(start, end, false).ok().flatten()?;
        if stop < end && self.bytes[stop] != b':' {
            return None;
        }
        self.parts.host = self.slice(start, stop);
        Some(stop)
    }

    /// Four numbers up to 255 at the start of the range; `None` where there is nothing like it. If
    /// `strict`, the whole range must look like one.
    fn ipv4(&self, start: usize, end: usize, strict: bool) -> Step<Option<usize>> {
        let stop = self.run(start, end, class::DIGIT | class::DOT);
        if stop == start || (strict && stop != end) {
            return Ok(None);
        }
        let mut at = start;
        for part in 0..4 {
            if part > 0 {
                if !self.at(at, stop, b'.') {
                    return Err(Failure::plain("Malformed IPv4 address", at));
                }
                at += 1;
            }
            let digits = self.run(at, stop, class::DIGIT);
            if digits == at {
                return Err(Failure::plain("Malformed IPv4 address", at));
            }
            match self.slice(at, digits).and_then(|d| d.parse::<i32>().ok()) {
                Some(value) if value <= 255 => at = digits,
                Some(_) => return Err(Failure::plain("Malformed IPv4 address", at)),
                None => {
                    return Err(Failure {
                        reason: Reason::Number(at, digits),
                        at: None,
                    });
                }
            }
        }
        if at < stop {
            return Err(Failure::plain("Malformed IPv4 address", at));
        }
        Ok(Some(at))
    }

    /// An IPv4 address at the end of an IPv6 address.
    fn ipv4_in_ipv6(&self, start: usize, end: usize, what: &'static str) -> Step<usize> {
        self.ipv4(start, end, true)?
            .ok_or(Failure::expected(what, start))
    }

    /// Dotted labels of letters, digits and inner hyphens; the last of several starts with a letter.
    fn hostname(&mut self, start: usize, end: usize) -> Step<usize> {
        const WHAT: &str = "hostname";
        let mut at = start;
        let mut last_label = None;
        while at < end {
            if !self.is(at, class::ALNUM) {
                break;
            }
            last_label = Some(at);
            at = self.run(at, end, class::ALNUM | class::DASH);
            if self.bytes[at - 1] == b'-' {
                return Err(Failure::illegal(WHAT, at - 1));
            }
            if !self.at(at, end, b'.') {
                break;
            }
            at += 1;
        }
        if at < end && !self.at(at, end, b':') {
            return Err(Failure::illegal(WHAT, at));
        }
        let label = last_label.ok_or(Failure::expected(WHAT, start))?;
        if label > start && !self.is(label, class::ALPHA) {
            return Err(Failure::illegal(WHAT, label));
        }
        self.parts.host = self.slice(start, at);
        Ok(at)
    }

    /// An IPv6 address that fills the range.
    fn ipv6(&self, start: usize, end: usize) -> Step<()> {
        let mut bytes = 0;
        let mut compressed = false;
        let mut at = start;
        let colons = |at: usize| self.at(at, end, b':') && self.at(at + 1, end, b':');
        if let Some(stop) = self.hex_groups(at, end, &mut bytes)? {
            at = stop;
            if colons(at) {
                compressed = true;
                at = self.after_colons(at + 2, end, &mut bytes)?;
            } else if self.at(at, end, b':') {
                at = self.ipv4_in_ipv6(at + 1, end, "IPv4 address")?;
                bytes += 4;
            }
        } else if colons(at) {
            compressed = true;
            at = self.after_colons(at + 2, end, &mut bytes)?;
        }
        let malformed = if at < end {
            "Malformed IPv6 address"
        } else if bytes > 16 {
            "IPv6 address too long"
        } else if !compressed && bytes < 16 {
            "IPv6 address too short"
        } else if compressed && bytes == 16 {
            "Malformed IPv6 address"
        } else {
            return Ok(());
        };
        Err(Failure::plain(malformed, start))
    }

    /// What may follow `::`.
    fn after_colons(&self, start: usize, end: usize, bytes: &mut usize) -> Step<usize> {
        const WHAT: &str = "hex digits or IPv4 address";
        if start == end {
            return Ok(start);
        }
        let mut at = start;
        match self.hex_groups(at, end, bytes)? {
            Some(stop) => {
                at = stop;
                if !self.at(at, end, b':') {
                    return Ok(at);
                }
                at = self.ipv4_in_ipv6(at + 1, end, WHAT)?;
            }
            None => at = self.ipv4_in_ipv6(at, end, WHAT)?,
        }
        *bytes += 4;
        Ok(at)
    }

    /// Groups of up to four hex digits with single colons between them; `None` where none starts, or where
    /// the first number is that of an IPv4 address.
    fn hex_groups(&self, start: usize, end: usize, bytes: &mut usize) -> Step<Option<usize>> {
        const TOO_LONG: &str = "IPv6 hexadecimal digit sequence too long";
        let stop = self.run(start, end, class::HEX);
        if stop == start || self.at(stop, end, b'.') {
            return Ok(None);
        }
        if stop > start + 4 {
            return Err(Failure::plain(TOO_LONG, start));
        }
        *bytes += 2;
        let mut at = stop;
        while self.at(at, end, b':') && !self.at(at + 1, end, b':') {
            let group = at + 1;
            let stop = self.run(group, end, class::HEX);
            if stop == group {
                return Err(Failure::expected("digits for an IPv6 address", group));
            }
            if self.at(stop, end, b'.') {
                break; // the colon stays for the caller
            }
            if stop > group + 4 {
                return Err(Failure::plain(TOO_LONG, group));
            }
            *bytes += 2;
            at = stop;
        }
        Ok(Some(at))
    }
}
