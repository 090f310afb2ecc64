//! `priority-subnets`: networks whose clients have reserved connections, shown as they were
//! written.

use std::net::IpAddr;

use super::{Lines, Networks, Special};
use crate::problem::refusal::ValueError;
use crate::words::Text;

/// Addresses and networks, separated by commas or spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnets {
    text: Vec<u8>,
    networks: Networks,
}

impl Default for Subnets {
    fn default() -> Self {
        Subnets {
            text: Vec::new(),
            networks: Networks(Vec::new()),
        }
    }
}

impl Subnets {
    pub fn is_empty(&self) -> bool {
        self.networks.0.is_empty()
    }

    /// Whether any subnet contains the address. O(networks).
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.contains(address)
    }
}

impl Special for Subnets {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let text = words
            .iter()
            .map(|word| &word[..])
            .collect::<Vec<_>>()
            .join(&b' ');
        let names = text.split(|b| matches!(b, b',' | b' '));
        let names: Vec<Text> = names
            .filter(|name| !name.is_empty())
            .map(|name| Text::from(name.to_vec()))
            .collect();
        let mut networks = Networks(Vec::new());
        networks.read(&names, false).map_err(|error| match error {
            ValueError::NotNetworks => ValueError::NotSubnets,
            other => other,
        })?;
        *self = Subnets { text, networks };
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        self.text.clone()
    }

    fn lines(&self, default: &Self) -> Lines {
        let mut line = Vec::new();
        crate::quote(&mut line, &self.text);
        Lines::Values(vec![(line, self != default)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Subnets, ValueError> {
        let words: Vec<Text> = words.iter().map(|word| (*word).into()).collect();
        let mut subnets = Subnets::default();
        subnets.read(&words, false)?;
        Ok(subnets)
    }

    #[test]
    fn commas_and_spaces_separate_and_the_text_is_kept() {
        for (words, shown) in [
            (&["127.0.0.1/32 10.0.0.0/8"][..], "127.0.0.1/32 10.0.0.0/8"),
            (&["127.0.0.1/32", "10.0.0.0/8"], "127.0.0.1/32 10.0.0.0/8"),
            (&["127.0.0.1, 10.0.0.0/8"], "127.0.0.1, 10.0.0.0/8"),
        ] {
            let subnets = read(words).expect("networks");
            assert_eq!(subnets.text(), shown.as_bytes());
            assert!(subnets.contains([10, 1, 2, 3].into()));
            assert!(subnets.contains([127, 0, 0, 1].into()));
            assert!(!subnets.contains([127, 0, 0, 2].into()));
        }
        assert!(read(&[""]).expect("none").is_empty());
        for wrong in ["127.0.0.1/99", "invalid/24", "10.0.0.0/8,x"] {
            assert_eq!(read(&[wrong]), Err(ValueError::NotSubnets));
        }
    }
}
