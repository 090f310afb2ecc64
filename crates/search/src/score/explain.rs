//! The steps of scores as EXPLAINSCORE shows them.
//!
//! Source: EXPLAINSCORE of Redis Stack 7.4, and of Redis 8.10 if `weight` is given.

use super::{Scorer, Steps};
use crate::hit::Explanation;

fn put(steps: Steps<'_>, parts: Vec<Explanation>, text: impl FnOnce() -> String) {
    if let Some(steps) = steps {
        steps.push(Explanation {
            text: text(),
            parts,
        });
    }
}

fn factor(weight: Option<f64>) -> String {
    weight.map_or(String::new(), |weight| format!("Weight {weight:.2} * "))
}

pub(super) fn tf_idf(
    steps: Steps<'_>,
    parts: Vec<Explanation>,
    sum: f64,
    score: f64,
    norm: u32,
    slop: i64,
) {
    put(steps, parts, || {
        format!(
            "Final TFIDF : words TFIDF {sum:.2} * document score {score:.2} / norm {norm} / slop {slop}"
        )
    });
}

pub(super) fn nothing(steps: Steps<'_>) {
    put(steps, Vec::new(), || "Document score is 0".to_owned());
}

pub(super) fn bm25(steps: Steps<'_>, parts: Vec<Explanation>, sum: f64, score: f64, slop: i64) {
    put(steps, parts, || {
        format!("Final BM25 : words BM25 {sum:.2} * document score {score:.2} / slop {slop}")
    });
}

pub(super) fn bm25_std(steps: Steps<'_>, parts: Vec<Explanation>, sum: f64, score: f64) {
    put(steps, parts, || {
        format!("Final BM25 : words BM25 {sum:.2} * document score {score:.2}")
    });
}

pub(super) fn bm25_tanh(
    steps: Steps<'_>,
    parts: Vec<Explanation>,
    sum: f64,
    score: f64,
    factor: f64,
    shrunk: f64,
) {
    put(steps, parts, || {
        format!(
            "Final Normalized BM25 : tanh(stretch factor 1/{factor} * Final BM25 {:.2}) = {shrunk:.2}",
            sum * score
        )
    });
}

pub(super) fn document_score(steps: Steps<'_>, score: f64) {
    put(steps, Vec::new(), || {
        format!("Document's score is {score:.2}")
    });
}

pub(super) fn no_payload(steps: Steps<'_>) {
    let text = "Payloads provided to scorer vary in length";
    put(steps, Vec::new(), || text.to_owned());
}

pub(super) fn hamming(steps: Steps<'_>, length: usize, differing: u32, score: f64) {
    put(steps, Vec::new(), || {
        format!(
            "String length is {length}. Bit count is {differing}. Result is (1 / count + 1) = {score:.2}"
        )
    });
}

/// Of a part that does not stand on the document.
pub(super) fn absent(steps: Steps<'_>, scorer: Scorer) {
    put(steps, Vec::new(), || match scorer {
        Scorer::TfIdf | Scorer::TfIdfDocNorm => {
            "(TFIDF 0.00 = Weight 1.00 * Frequency 0)".to_owned()
        }
        Scorer::DisMax => "DISMAX 0.00 = Weight 1.00 * Frequency 0".to_owned(),
        Scorer::Bm25 => "Frequency 0 -> value 0".to_owned(),
        _ => "Irrelevant token -> score is 0".to_owned(),
    });
}

pub(super) fn parts(
    steps: Steps<'_>,
    inner: Vec<Explanation>,
    scorer: Scorer,
    weight: f64,
    sum: f64,
) {
    put(steps, inner, || match scorer {
        Scorer::TfIdf | Scorer::TfIdfDocNorm => {
            format!("(Weight {weight:.2} * total children TFIDF {sum:.2})")
        }
        Scorer::DisMax => {
            let value = weight * sum;
            format!("{value:.2} = Weight {weight:.2} * children DISMAX {sum:.2}")
        }
        _ => format!("(Weight {weight:.2} * children BM25 {sum:.2})"),
    });
}

pub(super) fn tf_idf_term(steps: Steps<'_>, value: f64, weight: f64, frequency: u32, idf: f64) {
    put(steps, Vec::new(), || {
        format!("(TFIDF {value:.2} = Weight {weight:.2} * TF {frequency} * IDF {idf:.2})")
    });
}

pub(super) fn tf_idf_set(steps: Steps<'_>, value: f64, weight: f64, frequency: u32) {
    put(steps, Vec::new(), || {
        format!("(TFIDF {value:.2} = Weight {weight:.2} * Frequency {frequency})")
    });
}

pub(super) fn bm25_set(steps: Steps<'_>, value: f64, weight: f64, frequency: u32, average: f64) {
    put(steps, Vec::new(), || {
        format!(
            "({value:.2} = Weight {weight:.2} * F {frequency} / \
             (F {frequency} + k1 1.2 * (1 - b 0.5 + b 0.5 * Average Len {average:.2})))"
        )
    });
}

pub(super) fn dis_max_term(steps: Steps<'_>, value: f64, weight: f64, frequency: u32) {
    put(steps, Vec::new(), || {
        format!("DISMAX {value:.2} = Weight {weight:.2} * Frequency {frequency}")
    });
}

pub(super) fn bm25_term(
    steps: Steps<'_>,
    value: f64,
    weight: Option<f64>,
    idf: f64,
    frequency: u32,
    average: f64,
) {
    put(steps, Vec::new(), || {
        let factor = factor(weight);
        format!(
            "({value:.2} = {factor}IDF {idf:.2} * F {frequency} / \
             (F {frequency} + k1 1.2 * (1 - b 0.5 + b 0.5 * Average Len {average:.2})))"
        )
    });
}

#[expect(clippy::too_many_arguments, reason = "the numbers of one line")]
pub(super) fn bm25_std_term(
    steps: Steps<'_>,
    text: &[u8],
    value: f64,
    weight: Option<f64>,
    idf: f64,
    f: f64,
    b: f64,
    length: u32,
    average: f64,
) {
    put(steps, Vec::new(), || {
        let text = String::from_utf8_lossy(text);
        let factor = factor(weight);
        let b = if b == 0.5 { "0.5" } else { "0.75" };
        format!(
            "{text}: ({value:.2} = {factor}IDF {idf:.2} * (F {f:.2} * (k1 1.2 + 1)) / \
             (F {f:.2} + k1 1.2 * (1 - b {b} + b {b} * Doc Len {length} / \
             Average Doc Len {average:.2})))"
        )
    });
}
