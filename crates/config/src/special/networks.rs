//! Lists of networks that may connect.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Lines, Special, listed};
use crate::problem::refusal::ValueError;
use crate::words::Text;

/// Maximum number of networks.
const NETWORKS_MAX: usize = 256;

/// Addresses and networks (`192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Only this machine.
    pub fn loopback() -> Networks {
        let nets = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().expect("a network"));
        Networks(nets.to_vec())
    }

    /// Whether any network contains the address. O(networks).
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn parse(word: &[u8]) -> Option<IpNet> {
    let text = std::str::from_utf8(word).ok()?;
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().ok()?,
    };
    Some(network)
}

impl Special for Networks {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let words = listed(words);
        if words.len() > NETWORKS_MAX {
            return Err(ValueError::TooManyAddresses);
        }
        let parsed: Option<Vec<IpNet>> = words.iter().map(|word| parse(word)).collect();
        self.0 = parsed.ok_or(ValueError::NotNetworks)?;
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let shown: Vec<String> = self
            .0
            .iter()
            .map(|network| {
                if network.prefix_len() == network.max_prefix_len() {
                    network.addr().to_string()
                } else {
                    network.to_string()
                }
            })
            .collect();
        shown.join(" ").into_bytes()
    }

    fn lines(&self, default: &Self) -> Lines {
        Lines::of_list(self.text(), self != default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let mut list = Networks::loopback();
        assert_eq!(list.text(), b"127.0.0.0/8 ::1");
        let words = ["10.0.0.0/8", "192.0.2.7"].map(Text::from);
        list.read(&words, false).expect("networks");
        for (inside, address) in [
            (true, "10.1.2.3"),
            (true, "192.0.2.7"),
            (false, "192.0.2.8"),
            (false, "::1"),
        ] {
            assert_eq!(list.contains(address.parse().expect("an address")), inside);
        }
        for bad in ["10.0.0.0/33", "name", ""] {
            let words = ["::1", bad].map(Text::from);
            assert!(list.read(&words, false).is_err(), "{bad}");
        }
        list.read(&["".into()], false).expect("nobody");
        assert!(list.0.is_empty());
    }
}
