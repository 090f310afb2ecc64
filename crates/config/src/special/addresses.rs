//! Directives that name hosts: `bind` and `replicaof`.

use super::{Lines, Special};
use crate::problem::refusal::ValueError;
use crate::words::{self, Text};

/// Maximum number of `bind` addresses.
const BIND_ADDRESSES_MAX: usize = 16;

/// `bind`: addresses to listen on. `-` in front makes one optional, `*` means all of IPv4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddresses(pub Vec<Text>);

impl Default for BindAddresses {
    fn default() -> Self {
        BindAddresses(vec!["*".into(), "-::*".into()])
    }
}

impl BindAddresses {
    /// Only this machine.
    pub fn loopback() -> Self {
        BindAddresses(vec!["127.0.0.1".into(), "-::1".into()])
    }
}

impl Special for BindAddresses {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        if words.len() > BIND_ADDRESSES_MAX {
            return Err(ValueError::TooManyAddresses);
        }
        if words.iter().any(|word| word.contains(&0)) {
            return Err(ValueError::NulByte);
        }
        self.0 = match words {
            [only] if only.is_empty() => Vec::new(),
            _ => words.to_vec(),
        };
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let addresses: Vec<&[u8]> = self.0.iter().map(|a| &**a).collect();
        addresses.join(&b' ')
    }

    fn lines(&self, default: &Self) -> Lines {
        if self == default {
            return Lines::None;
        }
        let plain = |a: &Text| !a.is_empty() && a.iter().all(|b| b.is_ascii_graphic());
        let line = match self
            .0
            .iter()
            .all(|a| plain(a) && !a.contains(&b'"') && !a.contains(&b'\''))
        {
            true if self.0.is_empty() => b"\"\"".to_vec(),
            true => self.text(),
            false => {
                let mut line = Vec::new();
                for address in &self.0 {
                    words::quote(&mut line, address);
                    line.push(b' ');
                }
                line.pop();
                line
            }
        };
        Lines::Values(vec![(line, true)])
    }
}

/// `replicaof`: the primary to copy, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOf(pub Option<(Text, u16)>);

impl Special for ReplicaOf {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let [host, port] = words else {
            return Err(ValueError::ArgumentCount);
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            self.0 = None;
            return Ok(());
        }
        if host.contains(&0) {
            return Err(ValueError::NulByte);
        }
        let port = words::parse_c_number(port, 10).and_then(|n| u16::try_from(n).ok());
        self.0 = Some((host.clone(), port.ok_or(ValueError::BadPrimaryPort)?));
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        match &self.0 {
            Some((host, port)) => [host, format!(" {port}").as_bytes()].concat(),
            None => Vec::new(),
        }
    }

    fn lines(&self, _: &Self) -> Lines {
        let Some((host, port)) = &self.0 else {
            return Lines::None;
        };
        let mut line = Vec::new();
        let is_plain = |b: &u8| b.is_ascii_graphic() && *b != b'"' && *b != b'\'';
        if !host.is_empty() && host.iter().all(is_plain) {
            line.extend_from_slice(host);
        } else {
            words::quote(&mut line, host);
        }
        line.extend_from_slice(format!(" {port}").as_bytes());
        Lines::Values(vec![(line, true)])
    }
}
