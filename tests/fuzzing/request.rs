//! The request parser: bytes in pieces give the same commands as the bytes in a single piece.

use super::input::Input;
use russet_resp::{Args, Bounds, ParseStep, Progress, Span, step};

/// The commands of a run of the parser, and its error, if any.
type ParseResult = (Vec<Vec<Vec<u8>>>, Option<String>);

/// The first four bytes choose the limits and the cuts.
pub fn request(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let flags = input.byte();
    let bounds = Bounds {
        bulk_max: 1 << 20,
        unauthenticated: flags & 1 == 1,
        checks_bulk_ends: flags & 2 == 2,
        joins_quoted: flags & 2 == 2,
    };
    let cuts = [input.byte(), input.byte(), input.byte()].map(usize::from);
    let text = input.rest();
    let whole = parse(text, &[], bounds);
    assert_eq!(parse(text, &cuts, bounds), whole);
    let each: Vec<usize> = (0..text.len()).collect();
    assert_eq!(parse(text, &each, bounds), whole);
}

fn parse(text: &[u8], cuts: &[usize], bounds: Bounds) -> ParseResult {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    ends.push(text.len());
    ends.sort_unstable();
    let mut commands = Vec::new();
    let (mut pos, mut spans, mut progress) = (0, Vec::<Span>::new(), Progress::default());
    for end in ends {
        let come = &text[..end];
        loop {
            let before = pos;
            let step = step(come, &mut pos, &mut spans, &mut progress, bounds);
            assert!(
                before <= pos && pos <= come.len(),
                "never behind what has come"
            );
            match step {
                ParseStep::Command => {
                    let args = Args::new(come, &spans);
                    assert!(!args.is_empty());
                    commands.push(args.iter().map(<[u8]>::to_vec).collect());
                    spans.clear();
                }
                ParseStep::Inline(args) => {
                    commands.push(args.args().iter().map(<[u8]>::to_vec).collect());
                }
                ParseStep::Nothing => assert!(pos > before, "something was skipped"),
                ParseStep::Incomplete => break,
                ParseStep::Error(error) => return (commands, Some(error.to_string())),
            }
        }
    }
    (commands, None)
}
