//! The order of texts in a language, by the C library's `strxfrm_l`, which takes the locale as an
//! argument. The process keeps the locale `C`, so nothing else changes and no thread is disturbed.

use std::ffi::CString;
use std::ptr;

/// The order of texts that a locale defines; byte order at first.
#[derive(Debug, Default)]
pub struct Collation {
    /// The locale's name; an empty name is that of the environment.
    name: Option<Vec<u8>>,
    /// `None`: byte order.
    rules: Option<Rules>,
}

impl Collation {
    /// Takes the order of this locale; an empty name: of the environment (`LC_ALL`, `LC_COLLATE`,
    /// `LANG`). A locale that the system does not have orders by bytes.
    pub fn follow(&mut self, name: &[u8]) {
        if self.name.as_deref() == Some(name) {
            return;
        }
        let wanted = if name.is_empty() {
            of_environment()
        } else {
            name.to_vec()
        };
        let by_bytes: [&[u8]; 5] = [b"", b"C", b"POSIX", b"C.UTF-8", b"C.utf8"];
        self.rules = if by_bytes.contains(&wanted.as_slice()) {
            None
        } else {
            Rules::open(&wanted)
        };
        self.name = Some(name.to_vec());
    }

    /// Whether it is the order of bytes.
    pub fn is_by_bytes(&self) -> bool {
        self.rules.is_none()
    }

    /// Appends a text whose byte order is this order of `text`. Texts that the locale holds for
    /// equal are ordered by their bytes. The bytes after a
    /// NUL byte count only for such texts.
    pub fn write_key(&self, text: &[u8], out: &mut Vec<u8>) {
        if let Some(rules) = &self.rules {
            rules.transform(text, out);
            // Below all bytes of a transformed text: a shorter text is before its continuations.
            out.push(0);
        }
        out.extend_from_slice(text);
    }
}

/// The locale that the environment names, by POSIX's order of variables.
fn of_environment() -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    let set = ["LC_ALL", "LC_COLLATE", "LANG"].into_iter();
    let mut set = set.filter_map(std::env::var_os).map(OsStringExt::into_vec);
    set.find(|name: &Vec<u8>| !name.is_empty())
        .unwrap_or_default()
}

/// A locale's rules for `LC_COLLATE`.
#[derive(Debug)]
struct Rules(libc::locale_t);

// SAFETY: a locale object belongs to no thread, and only this value has its address.
unsafe impl Send for Rules {}

unsafe extern "C" {
    // POSIX.1-2008; the crate `libc` does not have it.
    fn strxfrm_l(
        out: *mut libc::c_char,
        text: *const libc::c_char,
        room: libc::size_t,
        locale: libc::locale_t,
    ) -> libc::size_t;
}

impl Rules {
    fn open(name: &[u8]) -> Option<Rules> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name is NUL-terminated, and null means no base locale.
        let locale =
            unsafe { libc::newlocale(libc::LC_COLLATE_MASK, name.as_ptr(), ptr::null_mut()) };
        (!locale.is_null()).then(|| Rules(locale))
    }

    /// Appends the transformed text, which has no NUL byte.
    fn transform(&self, text: &[u8], out: &mut Vec<u8>) {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        let text = CString::new(&text[..end]).expect("it ends before its first NUL byte");
        let start = out.len();
        let mut room = 4 * end + 16;
        loop {
            out.resize(start + room, 0);
            let place = out[start..].as_mut_ptr().cast();
            // SAFETY: the text is NUL-terminated, `place` has `room` bytes, and the locale lives
            // as long as `self`.
            let len = unsafe { strxfrm_l(place, text.as_ptr(), room, self.0) };
            if len < room {
                return out.truncate(start + len);
            }
            room = len + 1;
        }
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // SAFETY: made by `newlocale`, and freed once.
        unsafe { libc::freelocale(self.0) };
    }
}

/// Whether the system has the collation of this locale; an empty name is the environment's.
pub fn is_known(name: &[u8]) -> bool {
    Rules::open(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(collation: &Collation, texts: &[&str]) -> Vec<String> {
        let key = |text: &&str| {
            let mut key = Vec::new();
            collation.write_key(text.as_bytes(), &mut key);
            key
        };
        let mut texts = texts.to_vec();
        texts.sort_by_key(key);
        texts.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn no_locale_and_c_are_the_order_of_bytes() {
        let mut collation = Collation::default();
        for name in ["C", "POSIX", "C.UTF-8"] {
            collation.follow(name.as_bytes());
            assert!(collation.is_by_bytes(), "{name}");
            assert_eq!(sorted(&collation, &["b", "a", "B"]), ["B", "a", "b"]);
        }
        assert!(is_known(b"C") && !is_known(b"nope") && !is_known(b"C\0"));
    }

    /// If the system has any of these locales.
    #[test]
    fn a_language_orders_its_letters() {
        let names = ["en_US.UTF-8", "en_US.utf8", "de_DE.UTF-8", "de_DE.utf8"];
        let Some(name) = names.iter().find(|name| is_known(name.as_bytes())) else {
            return;
        };
        let mut collation = Collation::default();
        collation.follow(name.as_bytes());
        let texts = ["zebra", "Äpfel", "apfel", "Birne", "birne", "", "ab", "abc"];
        assert_eq!(
            sorted(&collation, &texts),
            ["", "ab", "abc", "apfel", "Äpfel", "birne", "Birne", "zebra"]
        );
    }
}
