//! The words of Chinese, which has no blanks between them, by a dictionary.
//!
//! Only with the feature `chinese`; without it a run of signs up to the next mark of ASCII is a
//! single word, as in every other language. The first text makes it read the dictionary, which
//! takes part of a second, once, and 40 MB. Then a text costs O(signs * length of the longest
//! word). A run with escaped marks is a single word.
//!
//! Source: words that FT.DEBUG DUMP_TERMS of Redis Stack 7.4 shows, whose dictionary is another:
//! most words are the same.

use std::ops::Range;

/// Whether texts in Chinese are divided here.
pub(crate) const IS_DIVIDED: bool = cfg!(feature = "chinese");

/// The words of a run of signs, as ranges of the run's bytes, without punctuation; the last word
/// first. `None`: the run is a single word.
#[cfg(feature = "chinese")]
pub(super) fn words_backwards(run: &[u8]) -> Option<Vec<Range<usize>>> {
    use std::sync::LazyLock;

    static DICTIONARY: LazyLock<jieba_rs::Jieba> = LazyLock::new(jieba_rs::Jieba::new);

    if run.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(run).ok()?;
    let mut at = 0;
    let mut words: Vec<Range<usize>> = Vec::new();
    for token in DICTIONARY.cut(text, false) {
        let word = token.word;
        let range = at..at + word.len();
        at = range.end;
        let is_word = word.chars().any(char::is_alphanumeric);
        // Letters and digits belong together, whatever the dictionary has: `2024` and the sign
        // after it.
        let is_number =
            |range: &Range<usize>| text[range.clone()].bytes().all(|b| b.is_ascii_digit());
        match words.last_mut() {
            Some(last) if last.end == range.start && is_number(last) && word == "\u{5e74}" => {
                last.end = range.end;
            }
            _ if is_word => words.push(range),
            _ => {}
        }
    }
    words.reverse();
    Some(words)
}

/// Without the dictionary every run is a single word.
#[cfg(not(feature = "chinese"))]
pub(super) fn words_backwards(_: &[u8]) -> Option<Vec<Range<usize>>> {
    None
}

#[cfg(all(test, feature = "chinese"))]
mod tests {
    use crate::text::{Language, StopWords, Words};

    fn words_of(text: &str) -> Vec<String> {
        let stop_words = StopWords::default();
        let words = Words::in_language(Language::Chinese, text.as_bytes(), &stop_words);
        words
            .map(|word| String::from_utf8_lossy(&word.text).into_owned())
            .collect()
    }

    /// Terms that Redis Stack 7.4 has of these texts.
    #[test]
    fn texts_are_divided_by_the_dictionary() {
        assert_eq!(
            words_of("我喜欢学习中文和编程Hello world 2024年"),
            [
                "我", "喜欢", "学习", "中文", "和", "编程", "hello", "world", "2024年"
            ]
        );
        assert_eq!(
            words_of("北京大学是中国最好的大学之一，位于北京市海淀区。"),
            [
                "北京大学",
                "是",
                "中国",
                "最好",
                "的",
                "大学",
                "之一",
                "位于",
                "北京市",
                "海淀区"
            ]
        );
        assert_eq!(words_of("running, dogs"), ["running", "dogs"]);
        assert_eq!(words_of("，。"), [""; 0]);
    }

    #[test]
    fn words_lie_in_their_text() {
        let text = "x 我喜欢 b c，中文";
        let stop_words = StopWords::default();
        let mut last = (0, 0);
        for word in Words::in_language(Language::Chinese, text.as_bytes(), &stop_words) {
            assert!(word.start >= last.0 && word.position == last.1 + 1);
            assert!(word.end <= text.len());
            last = (word.end, word.position);
        }
        assert_eq!(last, (text.len(), 6));
    }
}
