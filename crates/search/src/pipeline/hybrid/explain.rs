//! EXPLAINSCORE of FT.HYBRID: how the score of a document came from both sides.
//!
//! Source: replies of Redis 8.10 as other servers' tests have them.

use crate::hit::Explanation;
use crate::request::{Combine, HybridReach, HybridRequest};
use russet_base::numbers::general;

/// The part of a side in a document's score: the rank, from 1, and the side's score.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) rank: usize,
    pub(super) own: f64,
}

fn line(text: impl Into<String>, parts: Vec<Explanation>) -> Explanation {
    let text = text.into();
    Explanation { text, parts }
}

/// The steps of a combined score; `of_text` are the steps of the query's score.
pub(super) fn explain(
    request: &HybridRequest,
    [text, vector]: [Option<Share>; 2],
    of_text: Option<Explanation>,
    score: f64,
) -> Explanation {
    // Without a named scorer the server's counts; 8.10 has this scorer.
    let scorer = request.aggregate.options.scorer.unwrap_or("BM25STD");
    let scorer = format!("Text scorer: {scorer}");
    let window = request.window;
    let (head, sides, text_line, vector_lines) = match request.combine {
        Combine::ReciprocalRank { constant } => {
            let part = |share: Share| {
                let rank = share.rank;
                format!("1 / (constant {constant:.2} + rank {rank})")
            };
            let text_line = match text {
                Some(share) => {
                    let of_scorer = line(scorer, of_text.into_iter().collect());
                    line(format!("text rank = {}", share.rank), vec![of_scorer])
                }
                None => line("text rank = <no match>", Vec::new()),
            };
            let rank = vector.map_or("<no match>".to_owned(), |share| share.rank.to_string());
            (
                format!("Hybrid score (RRF: window={window}, constant={constant:.2})"),
                [text.map(part), vector.map(part)],
                text_line,
                vec![line(format!("vector rank = {rank}"), Vec::new())],
            )
        }
        Combine::Linear { alpha, beta } => {
            let part = |weight: f64| move |share: Share| format!("{weight:.4} * {:.4}", share.own);
            let whole = |weight: f64, share: Share| {
                let Share { own, .. } = share;
                format!("{weight:.4} * {own:.4} = {:.4}", weight * own)
            };
            let text_line = match text {
                Some(share) => {
                    let own = format!("normalized text score = {:.4}", share.own);
                    let mut parts = vec![line(own, Vec::new())];
                    parts.extend(of_text);
                    let text = format!("text contribution = {}", whole(alpha, share));
                    line(text, vec![line(scorer, parts)])
                }
                None => line("text contribution = <no match>", Vec::new()),
            };
            let vector_lines = match vector {
                Some(share) => vec![
                    line(
                        format!("vector contribution = {}", whole(beta, share)),
                        Vec::new(),
                    ),
                    line(
                        format!("normalized vector score = {:.4}", share.own),
                        Vec::new(),
                    ),
                ],
                None => vec![line("vector contribution = <no match>", Vec::new())],
            };
            (
                format!("Hybrid score (LINEAR: alpha={alpha:.4}, beta={beta:.4}, window={window})"),
                [text.map(part(alpha)), vector.map(part(beta))],
                text_line,
                vector_lines,
            )
        }
    };
    let mut branch = line("vector branch (KNN)", Vec::new());
    if let Some(HybridReach::Within(radius)) = request.reach {
        let is_within = format!("matched within radius = {}", vector.is_some());
        branch.text = format!("vector branch (RANGE: radius={radius:.4})");
        branch.parts.push(line(is_within, Vec::new()));
    }
    branch.parts.extend(vector_lines);
    let [text_part, vector_part] = sides;
    let text_part = text_part.unwrap_or("0 [text: no match]".to_owned());
    let vector_part = vector_part.unwrap_or("0 [vector: no match]".to_owned());
    let score = general(score, 17);
    line(
        format!("final score: {text_part} + {vector_part} = {score}"),
        vec![line(head, vec![text_line, branch])],
    )
}
