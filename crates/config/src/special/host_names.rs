//! `console-hosts`: names by which a server is called.

use super::{Lines, Special, listed};
use crate::problem::refusal::ValueError;
use crate::words::Text;

/// Maximum number of names, and of the bytes of a name, as in DNS.
const NAMES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 253;

/// Names of hosts, without ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames(pub Vec<Text>);

fn is_name(word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    (1..=NAME_BYTES_MAX).contains(&word.len()) && word.iter().all(is_part)
}

impl Special for HostNames {
    fn read(&mut self, words: &[Text], _: bool) -> Result<(), ValueError> {
        let words = listed(words);
        if words.len() > NAMES_MAX {
            return Err(ValueError::TooManyAddresses);
        }
        if !words.iter().all(|word| is_name(word)) {
            return Err(ValueError::NotHostNames);
        }
        self.0 = words.to_vec();
        Ok(())
    }

    fn text(&self) -> Vec<u8> {
        let names: Vec<&[u8]> = self.0.iter().map(|name| &**name).collect();
        names.join(&b' ')
    }

    fn lines(&self, default: &Self) -> Lines {
        Lines::of_list(self.text(), self != default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_taken() {
        let mut names = HostNames::default();
        let words = |text: &str| text.split(' ').map(Text::from).collect::<Vec<_>>();
        assert!(names.read(&words("a.example B-1"), false).is_ok());
        assert_eq!(names.text(), b"a.example B-1");
        for wrong in ["*", "a:80", "http://a", "[::1]", "a/b"] {
            assert!(names.read(&words(wrong), false).is_err(), "{wrong}");
        }
        assert_eq!(names.text(), b"a.example B-1", "as before");
        assert!(names.read(&words(""), false).is_ok());
        assert!(names.0.is_empty());
    }
}
