//! Protocols, ciphers and key exchanges by their OpenSSL names, as configuration files use them.
//!
//! rustls has only ciphers that count as safe today: TLS 1.2 with ephemeral keys and authenticated
//! ciphers, and TLS 1.3. Other names of a list are left out with a warning, and refused if nothing
//! is left; an exclusion may name anything. An unknown group is refused, unless a `?` precedes it.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::cipher_suite as suite;
use rustls::crypto::ring::kx_group as group;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use super::TlsError;

/// A cipher of TLS 1.2: its name and the other words that select it.
struct Cipher {
    name: &'static str,
    words: &'static [&'static str],
    suite: SupportedCipherSuite,
}

macro_rules! ciphers {
    ($($name:literal $suite:ident: $($word:literal)+;)+) => {
        [$(Cipher { name: $name, words: &[$($word),+], suite: suite::$suite }),+]
    };
}

/// In order of preference.
static CIPHERS: [Cipher; 6] = ciphers! {
    "ECDHE-ECDSA-AES256-GCM-SHA384" TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
        "aECDSA" "ECDSA" "AESGCM" "AES" "AES256" "SHA384";
    "ECDHE-ECDSA-AES128-GCM-SHA256" TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:
        "aECDSA" "ECDSA" "AESGCM" "AES" "AES128" "SHA256";
    "ECDHE-ECDSA-CHACHA20-POLY1305" TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
        "aECDSA" "ECDSA" "CHACHA20" "SHA256";
    "ECDHE-RSA-AES256-GCM-SHA384" TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
        "aRSA" "RSA" "AESGCM" "AES" "AES256" "SHA384";
    "ECDHE-RSA-AES128-GCM-SHA256" TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
        "aRSA" "RSA" "AESGCM" "AES" "AES128" "SHA256";
    "ECDHE-RSA-CHACHA20-POLY1305" TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
        "aRSA" "RSA" "CHACHA20" "SHA256";
};

/// Words that select all of them.
const EVERY: [&str; 10] = [
    "ALL", "DEFAULT", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "TLSv1.2", "AEAD", "FIPS",
];

/// TLS 1.3, in order of preference.
static SUITES: [(&str, SupportedCipherSuite); 3] = [
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
];

/// The protocols of `tls-protocols`; empty for all there are.
pub(super) fn protocols(text: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let mut chosen = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let version = match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => &version::TLS12,
            "tlsv1.3" => &version::TLS13,
            "tlsv1" | "tlsv1.1" => return Err(TlsError::OldProtocol(word.to_owned())),
            _ => return Err(TlsError::UnknownProtocol),
        };
        if !chosen.contains(&version) {
            chosen.push(version);
        }
    }
    if chosen.is_empty() {
        chosen = vec![&version::TLS13, &version::TLS12];
    }
    Ok(chosen)
}

/// All ciphers that `tls-ciphersuites` (TLS 1.3) and `tls-ciphers` (before) allow, in the
/// server's order of preference.
pub(super) fn ciphers(suites: &str, before: &str) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let mut all = suites_of(suites)?;
    all.extend(ciphers_of(before)?);
    Ok(all)
}

/// A group of key exchange, and its names.
type Group = (&'static dyn SupportedKxGroup, &'static [&'static str]);

/// In order of preference.
static GROUPS: [Group; 3] = [
    (group::X25519, &["X25519"]),
    (group::SECP256R1, &["prime256v1", "secp256r1", "P-256"]),
    (group::SECP384R1, &["secp384r1", "P-384"]),
];

/// The groups of `tls-groups`, in that order; empty for all there are. As in OpenSSL, `:` and `/`
/// separate names, a `*` asks for a key share at once, and a name after `?` may be unknown.
pub(super) fn groups(list: &str) -> Result<Vec<&'static dyn SupportedKxGroup>, TlsError> {
    let all = || GROUPS.iter().map(|(group, _)| *group);
    if list.is_empty() {
        return Ok(all().collect());
    }
    let mut chosen: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for word in list.split([':', '/']) {
        let name = word.trim_start_matches(['*', '?']);
        let marks = &word[..word.len() - name.len()];
        let is_it = |known: &&str| name.eq_ignore_ascii_case(known);
        let found = GROUPS.iter().find(|(_, names)| names.iter().any(is_it));
        let named: Vec<_> = match found {
            Some((group, _)) => vec![*group],
            None if name == "DEFAULT" => all().collect(),
            None if marks.contains('?') => Vec::new(),
            None => return Err(TlsError::Groups(word.to_owned())),
        };
        for group in named {
            if chosen.iter().all(|known| known.name() != group.name()) {
                chosen.push(group);
            }
        }
    }
    if chosen.is_empty() {
        return Err(TlsError::Groups(list.to_owned()));
    }
    Ok(chosen)
}

/// Lists of real configurations name ciphers of other times beside today's.
fn warn_of_unknown(directive: &str, unknown: &[&str]) {
    let names = unknown.join(":");
    tracing::warn!("{directive}: {names} is not available and left out; the others are used");
}

fn suites_of(list: &str) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let (mut chosen, mut unknown) = (Vec::new(), Vec::new());
    for name in list.split(':').filter(|name| !name.is_empty()) {
        match SUITES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
        {
            Some((_, suite)) if !chosen.contains(suite) => chosen.push(*suite),
            Some(_) => {}
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        if chosen.is_empty() {
            return Err(TlsError::Suites(unknown.join(":")));
        }
        warn_of_unknown("tls-ciphersuites", &unknown);
    }
    if chosen.is_empty() {
        chosen = SUITES.iter().map(|(_, suite)| *suite).collect();
    }
    Ok(chosen)
}

/// OpenSSL's list: names and words separated by colons; `+` between words selects ciphers that
/// match all of them; a leading `-` removes, `!` removes for good, `+` moves to the end.
fn ciphers_of(list: &str) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let (mut chosen, mut banned): (Vec<&Cipher>, Vec<&str>) = Default::default();
    let mut unknown = Vec::new();
    let parts = list.split([':', ',', ' ']).filter(|part| !part.is_empty());
    for part in parts.clone() {
        // All ciphers here satisfy every level, and there is only one order by strength.
        if part == "@STRENGTH" || part.starts_with("@SECLEVEL=") {
            continue;
        }
        let (act, words) = match part.as_bytes()[0] {
            act @ (b'!' | b'-' | b'+') => (act, &part[1..]),
            _ => (b' ', part),
        };
        let named: Vec<&Cipher> = CIPHERS.iter().filter(|c| c.answers_to(words)).collect();
        let is_named = |cipher: &&Cipher| named.iter().any(|n| n.name == cipher.name);
        match act {
            b' ' if named.is_empty() => unknown.push(part),
            b' ' => {
                let is_new = |c: &&Cipher| !banned.contains(&c.name);
                for cipher in named.into_iter().filter(is_new) {
                    if chosen.iter().all(|known| known.name != cipher.name) {
                        chosen.push(cipher);
                    }
                }
            }
            b'+' => {
                let (moved, stay) = chosen.into_iter().partition(is_named);
                chosen = stay;
                chosen.extend::<Vec<_>>(moved);
            }
            _ => {
                chosen.retain(|cipher| !is_named(cipher));
                if act == b'!' {
                    banned.extend(named.iter().map(|cipher| cipher.name));
                }
            }
        }
    }
    if !unknown.is_empty() {
        if chosen.is_empty() {
            return Err(TlsError::Ciphers(unknown.join(":")));
        }
        warn_of_unknown("tls-ciphers", &unknown);
    }
    if parts.count() == 0 {
        chosen = CIPHERS.iter().collect();
    }
    if chosen.is_empty() {
        return Err(TlsError::Ciphers(list.to_owned()));
    }
    Ok(chosen.iter().map(|cipher| cipher.suite).collect())
}

impl Cipher {
    fn answers_to(&self, words: &str) -> bool {
        words.split('+').all(|word| {
            let is = |known: &&str| *known == word;
            self.name == word || EVERY.iter().any(is) || self.words.iter().any(is)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<Vec<&'static str>, String> {
        let chosen = ciphers_of(list).map_err(|error| error.to_string())?;
        let name = |suite| CIPHERS.iter().find(|c| c.suite == suite).map(|c| c.name);
        Ok(chosen.into_iter().filter_map(name).collect())
    }

    #[test]
    fn lists_are_read_as_openssl_reads_them() {
        assert_eq!(names("").map(|all| all.len()), Ok(6));
        assert_eq!(
            names("DEFAULT:!MEDIUM:-AES128-SHA256").map(|all| all.len()),
            Ok(6)
        );
        assert_eq!(
            names("ECDHE+AESGCM+aRSA:@STRENGTH"),
            Ok(vec![
                "ECDHE-RSA-AES256-GCM-SHA384",
                "ECDHE-RSA-AES128-GCM-SHA256"
            ])
        );
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:+AES128"),
            Ok(vec![
                "ECDHE-RSA-AES256-GCM-SHA384",
                "ECDHE-RSA-AES128-GCM-SHA256"
            ])
        );
        assert_eq!(
            names("ALL:!AESGCM:AES128:!aECDSA"),
            Ok(vec!["ECDHE-RSA-CHACHA20-POLY1305"])
        );
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        assert_eq!(
            names("AES128-SHA256:DHE-RSA-AES128-GCM-SHA256"),
            Err(
                "Failed to configure ciphers: AES128-SHA256:DHE-RSA-AES128-GCM-SHA256 (russet has \
                 ECDHE with AES-GCM and ChaCha20-Poly1305)"
                    .into()
            )
        );
        // If known names stand beside it, as in old lists, an unknown name is left out.
        assert_eq!(
            names("AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256"),
            Ok(vec!["ECDHE-RSA-AES128-GCM-SHA256"])
        );
        let mixed = suites_of("TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256");
        assert_eq!(mixed.expect("one is known").len(), 1);
        assert!(names("ALL:!ALL").is_err());
        assert!(suites_of("TLS_AES_128_CCM_SHA256").is_err());
        let one = suites_of("TLS_AES_128_GCM_SHA256").expect("known");
        assert_eq!(one, [suite::TLS13_AES_128_GCM_SHA256]);
    }

    #[test]
    fn groups_are_taken_in_their_order_and_unknown_ones_refused() {
        use rustls::NamedGroup::{X25519, secp256r1, secp384r1};
        let names = |list| {
            let chosen = groups(list).map_err(|error| error.to_string())?;
            Ok(chosen.iter().map(|group| group.name()).collect::<Vec<_>>())
        };
        assert_eq!(names(""), Ok(vec![X25519, secp256r1, secp384r1]));
        assert_eq!(names("P-384:x25519:secp384r1"), Ok(vec![secp384r1, X25519]));
        assert_eq!(
            names("*prime256v1/DEFAULT"),
            Ok(vec![secp256r1, X25519, secp384r1])
        );
        assert_eq!(names("?X25519MLKEM768:*X25519"), Ok(vec![X25519]));
        for list in ["X25519MLKEM768:X25519", "X25519:", "?nosuch", ":"] {
            assert!(
                names(list).is_err_and(|text: String| text.starts_with("Failed")),
                "{list}"
            );
        }
    }

    #[test]
    fn protocols_are_those_that_are_still_safe() {
        let count = |text| {
            protocols(text)
                .map(|all| all.len())
                .map_err(|e| e.to_string())
        };
        assert_eq!(count(""), Ok(2));
        assert_eq!(count("TLSv1.2"), Ok(1));
        assert_eq!(count("tlsv1.3 TLSv1.2"), Ok(2));
        assert_eq!(
            count("TLSv1.1 TLSv1.2"),
            Err("TLSv1.1 is specified in tls-protocols but not supported.".into())
        );
        assert_eq!(
            count("SSLv3"),
            Err(
                "Invalid tls-protocols specified. Use a combination of 'TLSv1', 'TLSv1.1', \
                 'TLSv1.2' and 'TLSv1.3'."
                    .into()
            )
        );
    }
}
