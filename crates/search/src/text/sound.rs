//! The sound of a word: the first code of the word's double metaphone.
//!
//! A code has at most four letters, and the same letter for sounds that are alike: `0` is th, `X`
//! is sh, vowels count as `A` at the beginning alone. Bytes above 127, digits and `_` are passed
//! over.
//!
//! Cost: O(length). Crate `rphonetic` has it, too; it ends the program on letters beyond ASCII, and
//! needs seven more crates.
//!
//! Source: L. Philips, The Double Metaphone Search Algorithm, C/C++ Users Journal, June 2000; the
//! codes that FT.EXPLAIN of Redis Stack 7.4 shows.

/// Letters of a code, at most.
const CODE_MAX: usize = 4;

/// The code of a word in letters of any case; empty: it has no sound.
pub(crate) fn sound(word: &[u8]) -> Vec<u8> {
    let letters = word.to_ascii_uppercase();
    let has = |part: &[u8]| memchr::memmem::find(&letters, part).is_some();
    let word = Word {
        is_slavic: has(b"W") || has(b"K") || has(b"CZ") || has(b"WITZ"),
        letters: &letters,
    };
    let mut code = Vec::new();
    let mut at = usize::from(word.is(0, &["GN", "KN", "PN", "WR", "PS"]));
    while at < letters.len() && code.len() < CODE_MAX {
        let (sound, length) = word.sound_at(at);
        code.extend_from_slice(sound.as_bytes());
        at += length;
    }
    code.truncate(CODE_MAX);
    code
}

/// A word in capital letters, after which there are blanks.
struct Word<'w> {
    letters: &'w [u8],
    /// The word is written as in Slavic languages or in German.
    is_slavic: bool,
}

/// A sound, and how many letters have it.
type Sound = (&'static str, usize);

impl Word<'_> {
    fn letter(&self, at: usize) -> u8 {
        self.letters.get(at).copied().unwrap_or(b' ')
    }

    /// The letter some places before `at`; a blank before the beginning of the word.
    fn before(&self, at: usize, places: usize) -> u8 {
        at.checked_sub(places).map_or(b' ', |at| self.letter(at))
    }

    fn is_vowel(&self, at: usize) -> bool {
        matches!(self.letter(at), b'A' | b'E' | b'I' | b'O' | b'U' | b'Y')
    }

    fn is_vowel_before(&self, at: usize, places: usize) -> bool {
        at.checked_sub(places).is_some_and(|at| self.is_vowel(at))
    }

    /// Whether any of some texts stands at a place.
    fn is(&self, at: usize, texts: &[&str]) -> bool {
        let stands = |text: &&str| {
            let mut letters = text.bytes().enumerate();
            letters.all(|(place, letter)| self.letter(at + place) == letter)
        };
        texts.iter().any(stands)
    }

    /// Whether any of some texts begins some places before `at`.
    fn was(&self, at: usize, places: usize, texts: &[&str]) -> bool {
        at.checked_sub(places).is_some_and(|at| self.is(at, texts))
    }

    fn is_last(&self, at: usize) -> bool {
        at + 1 == self.letters.len()
    }

    fn is_german(&self) -> bool {
        self.is(0, &["VAN ", "VON ", "SCH"])
    }

    fn sound_at(&self, at: usize) -> Sound {
        let next = self.letter(at + 1);
        let doubled = |letter: u8| 1 + usize::from(next == letter);
        match self.letter(at) {
            b'A' | b'E' | b'I' | b'O' | b'U' | b'Y' => (if at == 0 { "A" } else { "" }, 1),
            b'B' => ("P", doubled(b'B')),
            b'C' => self.c(at),
            b'D' => self.d(at),
            b'F' => ("F", doubled(b'F')),
            b'G' if next == b'H' => (self.gh(at), 2),
            b'G' => self.g(at),
            b'H' if (at == 0 || self.is_vowel_before(at, 1)) && self.is_vowel(at + 1) => ("H", 2),
            b'J' => (self.j(at), doubled(b'J')),
            b'K' => ("K", doubled(b'K')),
            b'L' => ("L", doubled(b'L')),
            b'M' => {
                let is_dumb =
                    self.was(at, 1, &["UMB"]) && (self.is_last(at + 1) || self.is(at + 2, &["ER"]));
                ("M", if is_dumb { 2 } else { doubled(b'M') })
            }
            b'N' => ("N", doubled(b'N')),
            b'P' if next == b'H' => ("F", 2),
            b'P' => ("P", 1 + usize::from(matches!(next, b'P' | b'B'))),
            b'Q' => ("K", doubled(b'Q')),
            b'R' => {
                // Of French words, as in Rogier.
                let is_mute = self.is_last(at)
                    && !self.is_slavic
                    && self.was(at, 2, &["IE"])
                    && !self.was(at, 4, &["ME", "MA"]);
                (if is_mute { "" } else { "R" }, doubled(b'R'))
            }
            b'S' => self.s(at),
            b'T' => self.t(at),
            b'V' => ("F", doubled(b'V')),
            b'W' => self.w(at),
            b'X' if at == 0 => ("S", 1),
            b'X' => {
                let is_mute = self.is_last(at)
                    && (self.was(at, 3, &["IAU", "EAU"]) || self.was(at, 2, &["AU", "OU"]));
                let length = 1 + usize::from(matches!(next, b'C' | b'X'));
                (if is_mute { "" } else { "KS" }, length)
            }
            b'Z' if next == b'H' => ("J", 2),
            b'Z' => ("S", doubled(b'Z')),
            _ => ("", 1),
        }
    }

    fn c(&self, at: usize) -> Sound {
        let is_german_ach = at > 1
            && !self.is_vowel_before(at, 2)
            && self.was(at, 1, &["ACH"])
            && self.letter(at + 2) != b'I'
            && (self.letter(at + 2) != b'E' || self.was(at, 2, &["BACHER", "MACHER"]));
        if is_german_ach {
            return ("K", 2);
        }
        if at == 0 && self.is(0, &["CAESAR"]) {
            return ("S", 2);
        }
        if self.is(at, &["CH"]) {
            return (self.ch(at), 2);
        }
        if self.is(at, &["CZ"]) && !self.was(at, 2, &["WICZ"]) {
            return ("S", 2);
        }
        if self.is(at, &["CCIA"]) {
            return ("X", 3);
        }
        if self.is(at, &["CC"]) && !(at == 1 && self.letter(0) == b'M') {
            if !self.is(at + 2, &["I", "E", "H"]) || self.is(at + 2, &["HU"]) {
                return ("K", 2);
            }
            let is_accident = at == 1 && self.letter(0) == b'A';
            let is_success = self.was(at, 1, &["UCCEE", "UCCES"]);
            return (if is_accident || is_success { "KS" } else { "X" }, 3);
        }
        if self.is(at, &["CK", "CG", "CQ"]) {
            return ("K", 2);
        }
        if self.is(at, &["CI", "CE", "CY"]) {
            return ("S", 2);
        }
        let takes_next = self.is(at + 1, &["C", "K", "Q"]) && !self.is(at + 1, &["CE", "CI"]);
        ("K", 1 + usize::from(takes_next))
    }

    fn ch(&self, at: usize) -> &'static str {
        if self.is(at, &["CHIA"]) || at > 0 && self.is(at, &["CHAE"]) {
            return "K";
        }
        let is_greek = at == 0
            && self.is(1, &["HARAC", "HARIS", "HOR", "HYM", "HIA", "HEM"])
            && !self.is(0, &["CHORE"]);
        let is_german = self.is_german()
            || self.was(at, 2, &["ORCHES", "ARCHIT", "ORCHID"])
            || self.is(at + 2, &["T", "S"])
            || (at == 0 || matches!(self.before(at, 1), b'A' | b'O' | b'U' | b'E'))
                && self.is(at + 2, &["L", "R", "N", "M", "B", "H", "F", "V", "W", " "]);
        if is_greek || is_german || at > 0 && self.is(0, &["MC"]) {
            "K"
        } else {
            "X"
        }
    }

    fn d(&self, at: usize) -> Sound {
        if self.is(at, &["DG"]) {
            return if self.is(at + 2, &["I", "E", "Y"]) {
                ("J", 3)
            } else {
                ("TK", 2)
            };
        }
        ("T", 1 + usize::from(self.is(at, &["DT", "DD"])))
    }

    fn gh(&self, at: usize) -> &'static str {
        if at == 0 {
            return if self.letter(2) == b'I' { "J" } else { "K" };
        }
        if !self.is_vowel_before(at, 1) {
            return "K";
        }
        let is_mute = matches!(self.before(at, 2), b'B' | b'H' | b'D')
            || matches!(self.before(at, 3), b'B' | b'H' | b'D')
            || matches!(self.before(at, 4), b'B' | b'H');
        let is_laugh = at > 2
            && self.before(at, 1) == b'U'
            && matches!(self.before(at, 3), b'C' | b'G' | b'L' | b'R' | b'T');
        match self.before(at, 1) {
            _ if is_mute => "",
            _ if is_laugh => "F",
            b'I' => "",
            _ => "K",
        }
    }

    fn g(&self, at: usize) -> Sound {
        let next = self.letter(at + 1);
        if next == b'N' {
            let is_silent = !self.is(at + 2, &["EY"]) && !self.is_slavic;
            let is_cognac = at == 1 && self.is_vowel(0) && !self.is_slavic;
            return (if is_silent && !is_cognac { "N" } else { "KN" }, 2);
        }
        if self.is(at + 1, &["LI"]) && !self.is_slavic {
            return ("KL", 2);
        }
        let begins_hard = [
            "ES", "EP", "EB", "EL", "EY", "IB", "IL", "IN", "IE", "EI", "ER",
        ];
        if at == 0 && (next == b'Y' || self.is(1, &begins_hard)) {
            return ("K", 2);
        }
        let is_hard = (self.is(at + 1, &["ER"]) || next == b'Y')
            && !self.is(0, &["DANGER", "RANGER", "MANGER"])
            && !matches!(self.before(at, 1), b'E' | b'I')
            && !self.was(at, 1, &["RGY", "OGY"]);
        if is_hard {
            return ("K", 2);
        }
        if matches!(next, b'E' | b'I' | b'Y') || self.was(at, 1, &["AGGI", "OGGI"]) {
            let is_german = self.is_german() || self.is(at + 1, &["ET"]);
            return (if is_german { "K" } else { "J" }, 2);
        }
        ("K", 1 + usize::from(next == b'G'))
    }

    fn j(&self, at: usize) -> &'static str {
        if self.is(0, &["SAN "]) || at == 0 && self.is(0, &["JOSE "]) {
            return "H";
        }
        let is_between = self.is_vowel_before(at, 1)
            && !self.is_slavic
            && matches!(self.letter(at + 1), b'A' | b'O');
        if at == 0 || is_between || self.is_last(at) || self.is(at, &["JOSE"]) {
            return "J";
        }
        let is_mute = self.is(at + 1, &["L", "T", "K", "S", "N", "M", "B", "Z"])
            || matches!(self.before(at, 1), b'S' | b'K' | b'L');
        if is_mute { "" } else { "J" }
    }

    fn s(&self, at: usize) -> Sound {
        let next = self.letter(at + 1);
        if self.was(at, 1, &["ISL", "YSL"]) {
            return ("", 1);
        }
        if at == 0 && self.is(0, &["SUGAR"]) {
            return ("X", 1);
        }
        if next == b'H' {
            let is_name = self.is(at + 1, &["HEIM", "HOEK", "HOLM", "HOLZ"]);
            return (if is_name { "S" } else { "X" }, 2);
        }
        if self.is(at, &["SIO", "SIA"]) {
            return ("S", 3);
        }
        if next == b'Z' {
            return ("S", 2);
        }
        if next == b'C' {
            return (self.sc(at), 3);
        }
        let is_mute = self.is_last(at) && self.was(at, 2, &["AI", "OI"]);
        (
            if is_mute { "" } else { "S" },
            1 + usize::from(next == b'S'),
        )
    }

    fn sc(&self, at: usize) -> &'static str {
        let is_dutch = self.is(at + 3, &["OO", "UY", "ED", "EM"]);
        match self.letter(at + 2) {
            b'H' if is_dutch => "SK",
            b'H' => "X",
            b'I' | b'E' | b'Y' => "S",
            _ => "SK",
        }
    }

    fn t(&self, at: usize) -> Sound {
        if self.is(at, &["TION", "TIA", "TCH"]) {
            return ("X", 3);
        }
        if self.is(at, &["TH", "TTH"]) {
            let is_hard = self.is(at + 2, &["OM", "AM"]) || self.is_german();
            return (if is_hard { "T" } else { "0" }, 2);
        }
        ("T", 1 + usize::from(self.is(at + 1, &["T", "D"])))
    }

    fn w(&self, at: usize) -> Sound {
        if self.is(at, &["WR"]) {
            return ("R", 2);
        }
        let is_polish = self.is(at, &["WICZ", "WITZ"]);
        let begins = at == 0 && (self.is_vowel(1) || self.letter(1) == b'H');
        match (begins, is_polish) {
            (true, true) => ("ATS", 4),
            (true, false) => ("A", 1),
            (false, true) if !self.is(0, &["SCH"]) => ("TS", 4),
            (false, _) => ("", 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sound;

    #[test]
    fn words_sound_as_in_redis_stack() {
        for line in include_str!("sounds.txt").lines() {
            let (word, expected) = line.split_once(' ').expect("a code");
            let code = String::from_utf8(sound(word.as_bytes())).expect("text");
            assert_eq!(code, expected.trim_matches('-'), "{word}");
        }
    }

    #[test]
    fn letters_beyond_ascii_have_no_sound() {
        assert_eq!(sound("müller".as_bytes()), b"MLR");
        assert_eq!(sound("привет".as_bytes()), b"");
        assert_eq!(sound(b""), b"");
        assert_eq!(sound(b"\xff\xfeg\xc3"), b"K");
    }
}
